/** What people type and choose in. Each has a visible label, help below it, and the server's complaint where it belongs. */
import { type ReactNode, useId } from "react";
import {
  Checkbox as AriaCheckbox,
  Switch as AriaSwitch,
  Button,
  FieldError,
  Input,
  Label,
  ListBox,
  ListBoxItem,
  Popover,
  Select as AriaSelect,
  SelectValue,
  Text,
  TextArea,
  TextField as AriaTextField,
} from "react-aria-components";
import { useT } from "~/i18n";
import { Icon } from "./Icon";

interface FieldProps {
  label: string;
  /** Shown to screen readers only. */
  hideLabel?: boolean;
  help?: ReactNode;
  error?: string | null;
  required?: boolean;
  /** Writes "optional" beside the label. */
  optional?: boolean;
  disabled?: boolean;
}

function Caption({ label, hideLabel, optional }: FieldProps) {
  const t = useT("components");
  return (
    <Label className={hideLabel ? "sr-only" : "field-label"}>
      {label}{" "}
      {optional && <span className="field-optional">{t.optional}</span>}
    </Label>
  );
}

function Below({ help, error }: FieldProps) {
  return (
    <>
      {help && (
        <Text slot="description" className="field-help">
          {help}
        </Text>
      )}
      {error && <FieldError className="field-error">{error}</FieldError>}
    </>
  );
}

export interface TextFieldProps extends FieldProps {
  value: string;
  onChange(value: string): void;
  type?: "text" | "password" | "number" | "email" | "url";
  placeholder?: string;
  rows?: number;
  mono?: boolean;
  autoFocus?: boolean;
  autoComplete?: string;
  name?: string;
  onEnter?(): void;
}

export function TextField(props: TextFieldProps) {
  const { value, onChange, type = "text", placeholder, rows, mono, autoFocus, error, required, disabled, name } = props;
  const look = `input${mono ? " mono" : ""}`;
  return (
    <AriaTextField
      className="field"
      value={value}
      onChange={onChange}
      isInvalid={Boolean(error)}
      isRequired={required}
      isDisabled={disabled}
      validationBehavior="aria"
      type={type === "number" ? "text" : type}
      inputMode={type === "number" ? "decimal" : undefined}
      autoFocus={autoFocus}
      autoComplete={props.autoComplete ?? "off"}
      name={name}
      spellCheck={mono || type !== "text" ? "false" : undefined}
      onKeyDown={(event) => {
        if (event.key === "Enter" && props.onEnter && !event.nativeEvent.isComposing) props.onEnter();
      }}
    >
      <Caption {...props} />
      {rows ? <TextArea className={look} rows={rows} placeholder={placeholder} /> : <Input className={look} placeholder={placeholder} />}
      <Below {...props} />
    </AriaTextField>
  );
}

export interface Choice {
  id: string;
  label: string;
  help?: string;
}

export interface SelectProps extends FieldProps {
  value: string | null;
  onChange(value: string): void;
  choices: readonly Choice[];
  placeholder?: string;
}

export function Select(props: SelectProps) {
  const t = useT("components");
  const { value, onChange, choices, error, required, disabled, placeholder } = props;
  return (
    <AriaSelect
      className="field"
      value={value}
      onChange={(key) => onChange(String(key ?? ""))}
      isInvalid={Boolean(error)}
      isRequired={required}
      isDisabled={disabled}
      validationBehavior="aria"
      placeholder={placeholder ?? t.choose}
    >
      <Caption {...props} />
      <Button className="button select-button">
        <SelectValue className="select-value">{({ selectedText, defaultChildren }) => selectedText || defaultChildren}</SelectValue>
        <Icon name="chevron" size={14} />
      </Button>
      <Below {...props} />
      <Popover className="popover" offset={4}>
        <ListBox className="listbox" items={choices}>
          {(choice: Choice) => (
            <ListBoxItem id={choice.id} textValue={choice.label} className="option">
              <span>
                {choice.label}
                {choice.help && <span className="option-help">{choice.help}</span>}
              </span>
            </ListBoxItem>
          )}
        </ListBox>
      </Popover>
    </AriaSelect>
  );
}

export function Checkbox({ checked, onChange, disabled, children }: { checked: boolean; onChange(on: boolean): void; disabled?: boolean; children: ReactNode }) {
  return (
    <AriaCheckbox className="checkbox" isSelected={checked} onChange={onChange} isDisabled={disabled}>
      <span className="box">
        <Icon name="check" size={12} />
      </span>
      <span>{children}</span>
    </AriaCheckbox>
  );
}

export function Switch({ on, onChange, disabled, label, hideLabel }: { on: boolean; onChange(on: boolean): void; disabled?: boolean; label: string; hideLabel?: boolean }) {
  return (
    <AriaSwitch className="switch" isSelected={on} onChange={onChange} isDisabled={disabled} aria-label={hideLabel ? label : undefined}>
      <span className="track" />
      {!hideLabel && <span>{label}</span>}
    </AriaSwitch>
  );
}

/** The search field of a page: `/` goes to it. */
export function SearchField({ label, value, onChange, placeholder }: { label: string; value: string; onChange(value: string): void; placeholder?: string }) {
  const id = useId();
  return (
    <div className="search">
      <label className="sr-only" htmlFor={id}>
        {label}
      </label>
      <Icon name="search" size={14} />
      <input id={id} className="input" type="search" data-page-search="" value={value} placeholder={placeholder ?? label} onChange={(event) => onChange(event.target.value)} autoComplete="off" spellCheck={false} />
    </div>
  );
}

/** A few exclusive choices that all stay visible. */
export function Segmented<Id extends string>({ label, value, onChange, choices }: { label: string; value: Id; onChange(value: Id): void; choices: readonly { id: NoInfer<Id>; label: string }[] }) {
  return (
    <div className="segmented" role="group" aria-label={label}>
      {choices.map((choice) => (
        <button key={choice.id} type="button" aria-pressed={choice.id === value} onClick={() => onChange(choice.id)}>
          {choice.label}
        </button>
      ))}
    </div>
  );
}
