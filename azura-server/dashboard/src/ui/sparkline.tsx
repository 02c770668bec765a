const WIDTH = 72;
const HEIGHT = 24;
const EDGE = 2;

/** A curve as large as a word. */
export function Sparkline({ values, label }: { values: (number | null)[]; label: string }) {
  const points = values.filter(value => value !== null && Number.isFinite(value)) as number[];
  if (points.length < 2) return <svg className="spark" viewBox={`0 0 ${WIDTH} ${HEIGHT}`} aria-hidden="true" />;
  const [low, high] = [Math.min(...points), Math.max(...points)];
  const x = (i: number) => EDGE + (i / (points.length - 1)) * (WIDTH - 2 * EDGE);
  const y = (value: number) => HEIGHT - EDGE - ((value - low) / (high - low || 1)) * (HEIGHT - 2 * EDGE);
  return (
    <svg className="spark" viewBox={`0 0 ${WIDTH} ${HEIGHT}`} role="img" aria-label={label}>
      <polyline points={points.map((value, i) => `${x(i).toFixed(1)},${y(value).toFixed(1)}`).join(" ")} />
      <circle cx={x(points.length - 1)} cy={y(points.at(-1)!)} r="2" />
    </svg>
  );
}
