/** Puts something made in the page into a file of the reader's. */
export function saveFile(name: string, parts: BlobPart[], type: string): void {
  const url = URL.createObjectURL(new Blob(parts, { type }));
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  // Not at once: the browser may not have begun to read.
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

/** `calls-2026-01-31T0915.csv` */
export function datedName(what: string, ending: string, now = new Date()): string {
  return `${what}-${now.toISOString().slice(0, 16).replace(":", "")}.${ending}`;
}
