/** How far something is, from 0 to 1. */
export function Bar({ value, label }: { value: number; label: string }) {
  // Scaled, not sized: nothing has to be laid out anew.
  const percent = Math.round(100 * value);
  return (
    <div className="bar" role="progressbar" aria-label={label} aria-valuemin={0} aria-valuemax={100} aria-valuenow={percent}>
      <div style={{ scale: `${value} 1` }} />
    </div>
  );
}
