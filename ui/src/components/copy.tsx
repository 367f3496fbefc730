/** Copying, and code that is there to be copied. */
import { type ReactNode, useState } from "react";
import { useT } from "~/i18n";
import { Button, IconButton } from "./Button";
import { copyText } from "./clipboard";
import { toast } from "./Toast";

/** `text`: what is copied; a function where it is a secret that should not stand in the page. */
export function CopyButton({ text, label, withLabel }: { text: string | (() => string); label?: string; withLabel?: boolean }) {
  const t = useT("components");
  const [done, setDone] = useState(false);
  const copy = async () => {
    try {
      await copyText(typeof text === "string" ? text : text());
      setDone(true);
      setTimeout(() => setDone(false), 1600);
    } catch {
      toast.error(t.copyFailed);
    }
  };
  const name = done ? t.copied : (label ?? t.copy);
  return withLabel ? (
    <Button small icon={done ? "check" : "copy"} onPress={() => void copy()}>
      {name}
    </Button>
  ) : (
    <IconButton small icon={done ? "check" : "copy"} label={name} onPress={() => void copy()} />
  );
}

/** `copyText`: what is copied where it is not what is shown. */
export function CodeBlock({ code, label, copyText: copied, wrap, tools }: { code: string; label: string; copyText?: string | (() => string); wrap?: boolean; tools?: ReactNode }) {
  return (
    <div className={wrap ? "code wrap" : "code"}>
      <pre tabIndex={0} role="group" aria-label={label}>
        <code>{code}</code>
      </pre>
      <div className="code-tools">
        {tools}
        <CopyButton text={copied ?? code} />
      </div>
    </div>
  );
}

/** One line that is there to be copied: a URL, an id. */
export function CopyLine({ text, label }: { text: string; label?: string }) {
  return (
    <span className="copy-line">
      <span className="truncate grow" title={text}>
        {text}
      </span>
      <CopyButton text={text} label={label} />
    </span>
  );
}
