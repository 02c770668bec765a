/** How far something is, from 0 to 1. */
export function Bar({ value, label }: { value: number; label: string }) {
  const percent = Math.round(100 * Math.min(1, Math.max(0, value)));
  return (
    <div className="bar" role="progressbar" aria-label={label} aria-valuemin={0} aria-valuemax={100} aria-valuenow={percent}>
      <div style={{ width: `${percent}%` }} />
    </div>
  );
}
