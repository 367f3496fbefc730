/** How a call ended, in a word. */
import { type Call, endOf } from "~/api/calls";
import { Badge } from "~/components/Badge";
import { useT } from "~/i18n";

export const TONE_OF_END = { ok: "ok", error: "bad", cancelled: "idle" } as const;

export function Ended({ call }: { call: Call }) {
  const t = useT("calls");
  const end = endOf(call);
  const word = end === "cancelled" ? t.cancelled : (call.error_code ?? "");
  return (
    <Badge tone={TONE_OF_END[end]}>
      {call.status}
      {word && ` ${word}`}
    </Badge>
  );
}
