/** What is different between two texts, line by line. */
export interface DiffLine {
  kind: "same" | "add" | "del";
  text: string;
}

/** By the longest common subsequence; configurations have hundreds of lines at most. */
export function diffLines(before: string, after: string): DiffLine[] {
  const one = before.split("\n");
  const other = after.split("\n");
  const lengths = Array.from({ length: one.length + 1 }, () => new Uint16Array(other.length + 1));
  const at = (i: number, j: number) => lengths[i]?.[j] ?? 0;
  for (let i = one.length - 1; i >= 0; i -= 1)
    for (let j = other.length - 1; j >= 0; j -= 1) (lengths[i] as Uint16Array)[j] = one[i] === other[j] ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1));
  const lines: DiffLine[] = [];
  let i = 0;
  let j = 0;
  while (i < one.length || j < other.length) {
    if (i < one.length && j < other.length && one[i] === other[j]) {
      lines.push({ kind: "same", text: one[i] ?? "" });
      i += 1;
      j += 1;
    } else if (i < one.length && (j >= other.length || at(i + 1, j) >= at(i, j + 1))) {
      lines.push({ kind: "del", text: one[i] ?? "" });
      i += 1;
    } else {
      lines.push({ kind: "add", text: other[j] ?? "" });
      j += 1;
    }
  }
  return lines;
}

/** Only the lines around changes; null stands for what was left out. */
export function around(lines: readonly DiffLine[], context = 3): (DiffLine | null)[] {
  const near = lines.map((_, index) => lines.slice(Math.max(0, index - context), index + context + 1).some((line) => line.kind !== "same"));
  const shown: (DiffLine | null)[] = [];
  lines.forEach((line, index) => {
    if (near[index]) shown.push(line);
    else if (shown.at(-1) !== null) shown.push(null);
  });
  return shown;
}
