/** Each on top of those after it: drawn in this order, a later one covers the part of an earlier one that is its own. */
export function stackOf(values: readonly (readonly (number | null)[])[]): number[][] {
  const stack: number[][] = [];
  for (let at = values.length - 1; at >= 0; at -= 1) stack[at] = (values[at] ?? []).map((value, index) => (value ?? 0) + (stack[at + 1]?.[index] ?? 0));
  return stack;
}
