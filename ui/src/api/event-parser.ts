/** The lines of server-sent events, whatever pieces they come in. */
export interface ServerEvent {
  event: string;
  data: string;
  id: string | null;
}

/** Takes text as it comes, cut anywhere, and gives the events that are complete. */
export class EventParser {
  private rest = "";
  private event = "";
  private data: string[] = [];
  private id: string | null = null;

  feed(text: string): ServerEvent[] {
    const found: ServerEvent[] = [];
    const all = this.rest + text;
    let start = 0;
    for (;;) {
      const end = lineEnd(all, start);
      if (end === null) break;
      this.line(all.slice(start, end.at), found);
      start = end.next;
    }
    this.rest = all.slice(start);
    return found;
  }

  private line(line: string, found: ServerEvent[]): void {
    if (line === "") {
      if (this.data.length) found.push({ event: this.event || "message", data: this.data.join("\n"), id: this.id });
      this.event = "";
      this.data = [];
      return;
    }
    if (line.startsWith(":")) return;
    const colon = line.indexOf(":");
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + (line[colon + 1] === " " ? 2 : 1));
    if (field === "data") this.data.push(value);
    else if (field === "event") this.event = value;
    else if (field === "id") this.id = value;
  }
}

/** Where the line that begins at `start` ends; null where that is not known yet: a last `\r` may be half of `\r\n`. */
function lineEnd(text: string, start: number): { at: number; next: number } | null {
  for (let at = start; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (code === 10) return { at, next: at + 1 };
    if (code === 13) {
      if (at + 1 === text.length) return null;
      return { at, next: text.charCodeAt(at + 1) === 10 ? at + 2 : at + 1 };
    }
  }
  return null;
}
