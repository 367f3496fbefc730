/** A figure as it is typed; what is no number is kept as it is, for the person to mend. */
import { useEffect, useState } from "react";
import { TextField } from "~/components/fields";
import { useT } from "~/i18n";

interface NumberFieldProps {
  label: string;
  value: number | undefined;
  onChange(value: number | undefined): void;
  placeholder?: string;
  error?: string | null;
  disabled?: boolean;
  optional?: boolean;
}

export function NumberField({ label, value, onChange, placeholder, error, disabled, optional }: NumberFieldProps) {
  const t = useT("endpoints").gateway;
  const [text, setText] = useState(value === undefined ? "" : String(value));
  useEffect(() => {
    setText((before) => (read(before) === value ? before : value === undefined ? "" : String(value)));
  }, [value]);
  const wrong = text.trim() !== "" && read(text) === undefined;
  const change = (next: string) => {
    setText(next);
    const number = read(next);
    if (number !== undefined || next.trim() === "") onChange(number);
  };
  return <TextField label={label} type="number" value={text} onChange={change} placeholder={placeholder} error={wrong ? t.notNumber : error} disabled={disabled} optional={optional} />;
}

function read(text: string): number | undefined {
  const number = Number(text.trim());
  return text.trim() !== "" && Number.isFinite(number) ? number : undefined;
}
