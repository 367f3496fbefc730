/** Short news in the corner, read out by screen readers. What must be acted on does not belong here. */
import { useEffect, useSyncExternalStore } from "react";
import { asApiError } from "~/api/errors";
import { useT } from "~/i18n";
import { IconButton } from "./Button";

interface Note {
  id: number;
  kind: "ok" | "bad" | "info";
  text: string;
}

let notes: Note[] = [];
let last = 0;
const listeners = new Set<() => void>();

function become(next: Note[]): void {
  notes = next;
  for (const each of listeners) each();
}

function say(kind: Note["kind"], text: string): void {
  last += 1;
  become([...notes.slice(-3), { id: last, kind, text }]);
}

export const toast = {
  ok: (text: string) => say("ok", text),
  info: (text: string) => say("info", text),
  error: (thrown: unknown) => say("bad", typeof thrown === "string" ? thrown : asApiError(thrown).message),
};

const drop = (id: number) => become(notes.filter((note) => note.id !== id));

export function Toasts() {
  const shown = useSyncExternalStore(
    (listener) => (listeners.add(listener), () => listeners.delete(listener)),
    () => notes,
  );
  return (
    <div className="toasts" role="status" aria-live="polite">
      {shown.map((note) => (
        <Toast key={note.id} note={note} />
      ))}
    </div>
  );
}

function Toast({ note }: { note: Note }) {
  const t = useT("components");
  useEffect(() => {
    const timer = setTimeout(() => drop(note.id), note.kind === "bad" ? 12_000 : 5_000);
    return () => clearTimeout(timer);
  }, [note]);
  return (
    <div className="toast">
      <span className={`dot ${note.kind}`} />
      <span className="grow break">{note.text}</span>
      <IconButton label={t.close} icon="close" small onPress={() => drop(note.id)} />
    </div>
  );
}
