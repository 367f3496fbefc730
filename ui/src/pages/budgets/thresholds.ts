/** Percentages as people write them, separated by commas of either script; null where one is no whole number from 1 to 100. */
export function thresholdsOf(text: string): number[] | null {
  const parts = text.split(/[,、，]/).map((part) => part.trim()).filter(Boolean);
  const numbers = parts.map(Number);
  return numbers.every((each) => Number.isInteger(each) && each >= 1 && each <= 100) ? numbers : null;
}
