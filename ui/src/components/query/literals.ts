/** JSON values as the languages of the snippets write them. */

const INDENT = "    ";

/** A Python literal; `depth`: how far the line it begins on is indented. */
export function python(value: unknown, depth = 0): string {
  if (value === null || value === undefined) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  if (typeof value === "number") return String(value);
  if (typeof value === "string") return text(value);
  const [open, close, parts] = Array.isArray(value)
    ? (["[", "]", value.map((each) => python(each, depth + 1))] as const)
    : (["{", "}", Object.entries(value as object).map(([name, each]) => `${text(name)}: ${python(each, depth + 1)}`)] as const);
  return group(open, close, parts, INDENT, depth);
}

/** A TypeScript literal: JSON whose names need no quotes where they are names. */
export function typescript(value: unknown, depth = 0): string {
  if (value === null || typeof value !== "object") return JSON.stringify(value ?? null);
  const [open, close, parts] = Array.isArray(value)
    ? (["[", "]", value.map((each) => typescript(each, depth + 1))] as const)
    : (["{ ", " }", Object.entries(value).map(([name, each]) => `${/^[A-Za-z_$][\w$]*$/.test(name) ? name : JSON.stringify(name)}: ${typescript(each, depth + 1)}`)] as const);
  return group(open, close, parts, "  ", depth);
}

/** On one line where it fits, else one part on each. */
function group(open: string, close: string, parts: readonly string[], indent: string, depth: number): string {
  const bare = open.trim() + close.trim();
  if (!parts.length) return bare;
  const line = `${open}${parts.join(", ")}${close}`;
  if (line.length + depth * indent.length <= 92 && !line.includes("\n")) return line;
  const inner = indent.repeat(depth + 1);
  return `${open.trim()}\n${parts.map((each) => `${inner}${each},`).join("\n")}\n${indent.repeat(depth)}${close.trim()}`;
}

/** JSON's escapes are Python's, but for what lies outside the first plane, which JSON leaves as it is; both are read alike. */
export function text(value: string): string {
  return JSON.stringify(value);
}

/** One argument of a POSIX shell, whatever is in it. */
export function shell(value: string): string {
  return /^[A-Za-z0-9_\-./:=@%+,]+$/.test(value) ? value : `'${value.replaceAll("'", `'\\''`)}'`;
}
