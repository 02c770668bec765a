/** How far ahead a model can be asked. */
export const [LEAST, MOST] = [1, 1000];

/** What was typed as a number of steps, if it is one. */
export function stepsOf(text: string | null) {
  const steps = text?.trim() ? Number(text) : NaN;
  return Number.isInteger(steps) && steps >= LEAST && steps <= MOST ? steps : undefined;
}
