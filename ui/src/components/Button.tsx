/** Buttons, and links that look like buttons. */
import type { ReactNode } from "react";
import { Button as AriaButton, type ButtonProps as AriaButtonProps } from "react-aria-components";
import { Link } from "wouter";
import { Icon, type IconName } from "./Icon";
import { Tip } from "./Tip";

interface Look {
  kind?: "default" | "primary" | "danger" | "danger-solid" | "quiet";
  small?: boolean;
  icon?: IconName;
}

export interface ButtonProps extends Omit<AriaButtonProps, "children" | "className">, Look {
  children?: ReactNode;
  className?: string;
  /** Shows that it is at work and takes no presses. */
  busy?: boolean;
}

export function lookOf({ kind = "default", small }: Look, more = ""): string {
  const kinds = { default: "", primary: "primary", danger: "danger", "danger-solid": "danger solid", quiet: "quiet" };
  return ["button", kinds[kind], small ? "small" : "", more].filter(Boolean).join(" ");
}

export function Button({ kind, small, icon, busy, children, className, isDisabled, onPress, ...rest }: ButtonProps) {
  return (
    // Not disabled while it is busy: that would take the focus away from it, and Escape from the dialog that it is in.
    <AriaButton {...rest} isDisabled={isDisabled} onPress={busy ? undefined : onPress} data-pending={busy || undefined} className={lookOf({ kind, small }, className)}>
      {busy ? <span className="spinner" /> : icon && <Icon name={icon} size={small ? 14 : 16} />}
      {children}
    </AriaButton>
  );
}

/** A button with an icon only; its label is what it does, shown when it is pointed at or focused. */
export function IconButton({ label, icon, kind = "quiet", small, className = "", ...rest }: Omit<ButtonProps, "children"> & { label: string; icon: IconName }) {
  return (
    <Tip text={label}>
      <AriaButton {...rest} aria-label={label} className={lookOf({ kind, small }, `icon ${className}`)}>
        <Icon name={icon} size={small ? 14 : 16} />
      </AriaButton>
    </Tip>
  );
}

export function ButtonLink({ href, kind, small, icon, children }: Look & { href: string; children: ReactNode }) {
  return (
    <Link href={href} className={lookOf({ kind, small })}>
      {icon && <Icon name={icon} size={small ? 14 : 16} />}
      {children}
    </Link>
  );
}
