/** Copying, also where the page came over plain HTTP: there browsers offer only the old way. Throws if neither works. */
export async function copyText(text: string): Promise<void> {
  // The type says that it is always there; over plain HTTP it is not.
  const clipboard = navigator.clipboard as Clipboard | undefined;
  if (clipboard) return clipboard.writeText(text);
  const focused = document.activeElement as HTMLElement | null;
  const area = document.createElement("textarea");
  area.value = text;
  area.className = "sr-only";
  // Inside the open dialog, if there is one: it keeps the focus to itself.
  (focused?.closest("[role=dialog], [role=alertdialog]") ?? document.body).append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  focused?.focus();
  if (!done) throw new Error("copying was refused");
}
