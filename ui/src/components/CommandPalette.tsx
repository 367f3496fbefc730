/** Ctrl-K or ⌘K: any page, endpoint or command by a few letters of its name. */
import { type KeyboardEvent, useDeferredValue, useId, useMemo, useState } from "react";
import { Dialog, Modal, ModalOverlay } from "react-aria-components";
import { useT } from "~/i18n";
import { fit } from "./fit";
import { Icon, type IconName } from "./Icon";

export interface Command {
  id: string;
  label: string;
  kind: string;
  icon: IconName;
  run(): void;
}

export function CommandPalette({ open, onClose, commands }: { open: boolean; onClose(): void; commands: readonly Command[] }) {
  return (
    <ModalOverlay className="modal-overlay" isOpen={open} onOpenChange={(now) => !now && onClose()} isDismissable>
      <Modal className="palette">
        <Finder commands={commands} onClose={onClose} />
      </Modal>
    </ModalOverlay>
  );
}

function Finder({ commands, onClose }: { commands: readonly Command[]; onClose(): void }) {
  const t = useT("shell").palette;
  const id = useId();
  const [asked, setAsked] = useState("");
  const [at, setAt] = useState(0);
  const wanted = useDeferredValue(asked);
  const found = useMemo(
    () =>
      commands
        .map((command) => ({ command, rank: fit(wanted, command.label) }))
        .filter((each): each is { command: Command; rank: number } => each.rank !== null)
        .sort((one, other) => one.rank - other.rank)
        .slice(0, 50)
        .map((each) => each.command),
    [commands, wanted],
  );
  const chosen = found[Math.min(at, found.length - 1)];
  const run = (command: Command | undefined) => {
    if (!command) return;
    onClose();
    command.run();
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.nativeEvent.isComposing) return;
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) {
      event.preventDefault();
      const next = (at + step + found.length) % Math.max(1, found.length);
      setAt(next);
      document.getElementById(`${id}-${next}`)?.scrollIntoView({ block: "nearest" });
    } else if (event.key === "Enter") {
      event.preventDefault();
      run(chosen);
    }
  };
  return (
    <Dialog aria-label={t.label} className="dialog">
      <input
        className="input"
        role="combobox"
        aria-label={t.label}
        aria-expanded="true"
        aria-controls={`${id}-list`}
        aria-activedescendant={chosen ? `${id}-${found.indexOf(chosen)}` : undefined}
        aria-autocomplete="list"
        placeholder={t.placeholder}
        value={asked}
        onChange={(event) => (setAsked(event.target.value), setAt(0))}
        onKeyDown={onKeyDown}
        autoFocus
        autoComplete="off"
        spellCheck={false}
      />
      <ul className="listbox" role="listbox" id={`${id}-list`} aria-label={t.label}>
        {found.map((command, index) => (
          <li key={command.id} id={`${id}-${index}`} role="option" aria-selected={command === chosen} className="option" data-focused={command === chosen || undefined} onClick={() => run(command)} onMouseMove={() => setAt(index)}>
            <Icon name={command.icon} size={14} />
            <span>{command.label}</span>
            <small>{command.kind}</small>
          </li>
        ))}
      </ul>
      {found.length === 0 && <p className="nothing">{t.nothing}</p>}
    </Dialog>
  );
}
