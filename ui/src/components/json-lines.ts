/** Where things stand in a JSON text. */

export interface JsonFault {
  line: number;
  message: string;
}

/** What keeps a text from being JSON; null if it is. Browsers tell the place in words, each in its own. */
export function faultOf(text: string): JsonFault | null {
  try {
    JSON.parse(text);
    return null;
  } catch (thrown) {
    const message = thrown instanceof Error ? thrown.message : String(thrown);
    const byLine = /line (\d+)/.exec(message);
    const byPosition = /position (\d+)/.exec(message);
    const line = byLine ? Number(byLine[1]) : byPosition ? lineAt(text, Number(byPosition[1])) : text.trimEnd().split("\n").length;
    return { line, message };
  }
}

function lineAt(text: string, position: number): number {
  return text.slice(0, position).split("\n").length;
}

/** The line of a field, as `config.served_entities[1].name`, or of the nearest thing above it that is there; null if the text is not JSON. */
export function lineOf(text: string, path: string): number | null {
  const places = placesOf(text);
  if (!places) return null;
  for (let at = path; ; at = parentOf(at)) {
    const position = places.get(at);
    if (position !== undefined) return lineAt(text, position);
    if (at === "") return 1;
  }
}

function parentOf(path: string): string {
  return path.replace(/(\.?[^.[\]]+|\[\d+\])$/, "");
}

/** Every path in a JSON text with the position of its key or element. */
export function placesOf(text: string): Map<string, number> | null {
  try {
    JSON.parse(text);
  } catch {
    return null;
  }
  const found = new Map<string, number>([["", 0]]);
  let at = 0;
  const space = () => {
    while (/\s/.test(text[at] ?? "")) at += 1;
  };
  const string = (): string => {
    const start = at;
    at += 1;
    while (text[at] !== '"') at += text[at] === "\\" ? 2 : 1;
    at += 1;
    return JSON.parse(text.slice(start, at)) as string;
  };
  const value = (path: string): void => {
    space();
    if (text[at] === "{") members(path);
    else if (text[at] === "[") elements(path);
    else if (text[at] === '"') string();
    else while (at < text.length && !/[\s,\]}]/.test(text[at] ?? "")) at += 1;
    space();
  };
  const members = (path: string): void => {
    at += 1;
    for (space(); text[at] !== "}"; space()) {
      if (text[at] === ",") {
        at += 1;
        space();
      }
      const start = at;
      const inner = path ? `${path}.${string()}` : string();
      found.set(inner, start);
      space();
      at += 1;
      value(inner);
    }
    at += 1;
  };
  const elements = (path: string): void => {
    at += 1;
    for (let index = 0; ; index += 1) {
      space();
      if (text[at] === "]") break;
      if (text[at] === ",") at += 1;
      space();
      const inner = `${path}[${index}]`;
      found.set(inner, at);
      value(inner);
    }
    at += 1;
  };
  value("");
  return found;
}
