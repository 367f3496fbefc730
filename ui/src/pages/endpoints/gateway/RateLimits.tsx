/** How many calls and tokens a minute, and of whom. */
import type { RateLimit } from "~/api/endpoints";
import { Button, IconButton } from "~/components/Button";
import { Select, TextField } from "~/components/fields";
import { useT } from "~/i18n";
import { without } from "../config/paths";
import { faultAt, type RulesProps } from "./GatewayTab";
import { NumberField } from "./NumberField";
import { Section } from "./Section";

const KEYS = ["endpoint", "user", "user_group", "service_principal"] as const;

export function RateLimits({ rules, onChange, faults, disabled }: RulesProps) {
  const t = useT("endpoints").gateway.limits;
  const limits = rules.rate_limits ?? [];
  const set = (next: RateLimit[]) => onChange(next.length ? { ...rules, rate_limits: next } : without(rules, "rate_limits"));
  const change = (index: number, limit: RateLimit) => set(limits.map((each, at) => (at === index ? limit : each)));
  return (
    <Section title={t.title} help={t.help} on disabled={disabled}>
      <div className="gateway-limits">
        {limits.map((limit, index) => (
          <Limit key={index} limit={limit} onChange={(next) => change(index, next)} onRemove={() => set(limits.filter((_, at) => at !== index))} fault={(name) => faultAt(faults, `rate_limits[${index}].${name}`)} disabled={disabled} />
        ))}
        {!disabled && (
          <span>
            <Button small icon="plus" onPress={() => set([...limits, { renewal_period: "minute", key: "user", calls: 60 }])}>
              {t.add}
            </Button>
          </span>
        )}
      </div>
    </Section>
  );
}

interface LimitProps {
  limit: RateLimit;
  onChange(limit: RateLimit): void;
  onRemove(): void;
  fault(name: string): string | null;
  disabled: boolean;
}

function Limit({ limit, onChange, onRemove, fault, disabled }: LimitProps) {
  const t = useT("endpoints").gateway.limits;
  const words = useT("components");
  const key = limit.key ?? "endpoint";
  const named = key === "user_group" || key === "service_principal";
  const set = (name: "calls" | "tokens", value: number | undefined) => onChange(value === undefined ? without(limit, name) : { ...limit, [name]: value });
  const become = (next: (typeof KEYS)[number]) => onChange({ ...(next === "endpoint" ? without(limit, "principal") : limit), key: next });
  return (
    <div className="gateway-limit">
      <Select label={t.of} value={key} onChange={(id) => become(id as (typeof KEYS)[number])} choices={KEYS.map((id) => ({ id, label: t.keys[id] }))} disabled={disabled} error={fault("key")} />
      <TextField label={t.name} value={limit.principal ?? ""} onChange={(principal) => onChange(principal ? { ...limit, principal } : without(limit, "principal"))} disabled={disabled || key === "endpoint"} placeholder={named ? undefined : key === "user" ? t.everyUser : t.everybody} error={fault("principal")} />
      <NumberField label={t.calls} value={limit.calls} onChange={(value) => set("calls", value)} disabled={disabled} placeholder="–" error={fault("calls")} />
      <NumberField label={t.tokens} value={limit.tokens} onChange={(value) => set("tokens", value)} disabled={disabled} placeholder="–" error={fault("tokens")} />
      {!disabled && <IconButton label={words.remove} icon="trash" onPress={onRemove} />}
    </div>
  );
}
