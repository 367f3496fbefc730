/** A few words on a thing that is pointed at or focused. Not for anything that must be read. */
import type { ReactElement } from "react";
import { Tooltip, TooltipTrigger } from "react-aria-components";

export function Tip({ text, children }: { text: string; children: ReactElement }) {
  return (
    <TooltipTrigger delay={500} closeDelay={80}>
      {children}
      <Tooltip className="tooltip" offset={6}>
        {text}
      </Tooltip>
    </TooltipTrigger>
  );
}
