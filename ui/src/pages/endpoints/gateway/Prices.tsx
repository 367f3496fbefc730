/** What tokens cost, where it is not what cloche knows of a model. */
import type { ServedEntity } from "~/api/endpoints";
import { useT } from "~/i18n";
import { without } from "../config/paths";
import { faultAt, type RulesProps } from "./GatewayTab";
import { NumberField } from "./NumberField";
import { Section } from "./Section";

interface Price {
  served_entity_name: string;
  input_per_million?: number;
  output_per_million?: number;
  cached_input_per_million?: number;
  cache_write_input_per_million?: number;
}

const FIELDS = ["input_per_million", "output_per_million", "cached_input_per_million", "cache_write_input_per_million"] as const;

export function Prices({ rules, onChange, faults, disabled, entities }: RulesProps & { entities: readonly ServedEntity[] }) {
  const t = useT("endpoints").gateway.prices;
  const prices = (rules["prices"] as Price[] | undefined) ?? [];
  const names = [...new Set([...entities.map((entity) => entity.name), ...prices.map((price) => price.served_entity_name)])];
  const set = (next: Price[]) => onChange(next.length ? { ...rules, prices: next } : without(rules, "prices"));
  const change = (name: string, field: (typeof FIELDS)[number], value: number | undefined) => {
    const before = prices.find((price) => price.served_entity_name === name) ?? { served_entity_name: name };
    const after: Price = value === undefined ? without(before, field) : { ...before, [field]: value };
    const others = prices.filter((price) => price.served_entity_name !== name);
    set(FIELDS.some((each) => after[each] !== undefined) ? [...others, after] : others);
  };
  return (
    <Section title={t.title} help={t.help} on={prices.length > 0} onSwitch={(on) => set(on ? names.slice(0, 1).map((name) => ({ served_entity_name: name, input_per_million: 0, output_per_million: 0 })) : [])} disabled={disabled}>
      {names.map((name) => {
        const price = prices.find((each) => each.served_entity_name === name);
        return (
          <fieldset key={name} className="gateway-price">
            <legend className="field-label">{name}</legend>
            <div className="gateway-fields">
              {FIELDS.map((field, index) => (
                <NumberField key={field} label={t.fields[field]} optional={index > 1} value={price?.[field]} onChange={(value) => change(name, field, value)} placeholder={t.known} disabled={disabled} error={faultAt(faults, `prices[${prices.findIndex((each) => each.served_entity_name === name)}].${field}`)} />
              ))}
            </div>
          </fieldset>
        );
      })}
    </Section>
  );
}
