/** A button that opens a list of things to do. */
import type { ReactElement } from "react";
import { Menu as AriaMenu, MenuItem, MenuTrigger, Popover } from "react-aria-components";
import { Icon, type IconName } from "./Icon";

export interface MenuEntry {
  id: string;
  label: string;
  icon?: IconName;
  danger?: boolean;
  disabled?: boolean;
  onAction(): void;
}

export function Menu({ label, trigger, entries, heading }: { label: string; trigger: ReactElement; entries: readonly MenuEntry[]; heading?: string }) {
  return (
    <MenuTrigger>
      {trigger}
      <Popover className="popover" placement="bottom end" offset={4}>
        {heading && <div className="menu-heading">{heading}</div>}
        <AriaMenu aria-label={label} className="menu">
          {entries.map((entry) => (
            <MenuItem key={entry.id} id={entry.id} textValue={entry.label} isDisabled={entry.disabled} onAction={entry.onAction} className={entry.danger ? "option danger" : "option"}>
              {entry.icon && <Icon name={entry.icon} size={14} />}
              <span>{entry.label}</span>
            </MenuItem>
          ))}
        </AriaMenu>
      </Popover>
    </MenuTrigger>
  );
}
