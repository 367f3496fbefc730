/** Whether the letters of `asked` stand in `text` in this order; the smaller, the better they fit. */
export function fit(asked: string, text: string): number | null {
  const wanted = asked.toLowerCase().replace(/\s+/g, "");
  const given = text.toLowerCase();
  if (!wanted) return 0;
  const whole = given.indexOf(asked.toLowerCase().trim());
  if (whole >= 0) return whole;
  let at = -1;
  let gaps = 0;
  for (const letter of wanted) {
    const next = given.indexOf(letter, at + 1);
    if (next < 0) return null;
    gaps += next - at - 1;
    at = next;
  }
  return 100 + gaps;
}
