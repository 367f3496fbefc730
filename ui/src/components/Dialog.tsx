/** Dialogs and drawers: focus stays inside, Escape closes, and focus returns to where it was. */
import { type ReactNode, useState } from "react";
import { Dialog as AriaDialog, Heading, Modal, ModalOverlay } from "react-aria-components";
import { useT } from "~/i18n";
import { Button, IconButton } from "./Button";
import { ErrorNote } from "./states";
import { TextField } from "./fields";

interface DialogProps {
  title: string;
  open: boolean;
  onClose(): void;
  children: ReactNode;
  /** Buttons at the end. */
  foot?: ReactNode;
  wide?: boolean;
  /** Asks something that must be answered: a press beside it does not close it. */
  alert?: boolean;
}

function Content({ title, onClose, children, foot, alert }: Omit<DialogProps, "open" | "wide">) {
  const t = useT("components");
  return (
    <AriaDialog className="dialog" role={alert ? "alertdialog" : "dialog"}>
      <div className="dialog-head">
        <Heading slot="title" level={2} className="break">
          {title}
        </Heading>
        <IconButton label={t.close} icon="close" small onPress={onClose} />
      </div>
      <div className="dialog-body">{children}</div>
      {foot && <div className="dialog-foot">{foot}</div>}
    </AriaDialog>
  );
}

export function Dialog({ open, wide, ...rest }: DialogProps) {
  return (
    <ModalOverlay className="modal-overlay" isOpen={open} onOpenChange={(now) => !now && rest.onClose()} isDismissable={!rest.alert}>
      <Modal className={wide ? "modal wide" : "modal"}>
        <Content {...rest} />
      </Modal>
    </ModalOverlay>
  );
}

/** Slides in from the side: details of a row while the list stays. */
export function Drawer({ open, ...rest }: Omit<DialogProps, "wide" | "alert">) {
  return (
    <ModalOverlay className="modal-overlay at-end" isOpen={open} onOpenChange={(now) => !now && rest.onClose()} isDismissable>
      <Modal className="drawer">
        <Content {...rest} />
      </Modal>
    </ModalOverlay>
  );
}

interface ConfirmProps {
  open: boolean;
  onClose(): void;
  title: string;
  /** What will be gone, and what stays. */
  children: ReactNode;
  action: string;
  onConfirm(): Promise<unknown>;
  /** Must be typed before the button works. */
  name?: string;
}

/** Asks before something that cannot be undone; with `name`, only who types it goes on. */
export function ConfirmDialog({ open, onClose, title, children, action, onConfirm, name }: ConfirmProps) {
  return (
    <ModalOverlay className="modal-overlay" isOpen={open} onOpenChange={(now) => !now && onClose()}>
      <Modal className="modal">
        <Confirm {...{ onClose, title, children, action, onConfirm, name }} />
      </Modal>
    </ModalOverlay>
  );
}

function Confirm({ onClose, title, children, action, onConfirm, name }: Omit<ConfirmProps, "open">) {
  const t = useT("components");
  const [typed, setTyped] = useState("");
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const ready = !name || typed.trim() === name;
  const confirm = async () => {
    if (!ready || busy) return;
    setBusy(true);
    setError(null);
    try {
      await onConfirm();
      onClose();
    } catch (thrown) {
      setError(thrown);
      setBusy(false);
    }
  };
  const foot = (
    <>
      <Button onPress={onClose}>{t.cancel}</Button>
      <Button kind="danger-solid" isDisabled={!ready} busy={busy} onPress={() => void confirm()}>
        {action}
      </Button>
    </>
  );
  return (
    <Content title={title} onClose={onClose} foot={foot} alert>
      <div className="stack">{children}</div>
      {name && <TextField label={t.confirmName(name)} value={typed} onChange={setTyped} mono autoFocus onEnter={() => void confirm()} />}
      {error !== null && <ErrorNote error={error} />}
    </Content>
  );
}
