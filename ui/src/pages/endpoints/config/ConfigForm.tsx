/** A configuration as a form: its entities, and how calls are divided among them. */
import { useId } from "react";
import type { ConfigBody, EntityBody, Provider } from "~/api/endpoints";
import { useProviders } from "~/api/endpoints";
import type { FieldFault } from "~/api/errors";
import { Button, IconButton } from "~/components/Button";
import { useT } from "~/i18n";
import { entityName, rebalanced, sharesOf, withEntities, withShares } from "../traffic";
import { EntityForm, newExternal } from "./EntityForm";

export interface ConfigFormProps {
  config: ConfigBody;
  onChange(config: ConfigBody): void;
  /** Paths begin at the configuration. */
  faults: readonly FieldFault[];
}

export function ConfigForm({ config, onChange, faults }: ConfigFormProps) {
  const t = useT("endpoints").form;
  const providers = useProviders();
  const entities = config.served_entities;
  const shares = sharesOf(config);
  const change = (index: number, entity: EntityBody) => onChange(withEntities(config, entities.map((each, at) => (at === index ? entity : each)), shares));
  const remove = (index: number) => onChange(withEntities(config, entities.filter((_, at) => at !== index), shares.filter((_, at) => at !== index)));
  const first = providers.data?.find((each: Provider) => each.name === "openai");
  const fresh = (): EntityBody => (entities[0]?.entity_name !== undefined ? { entity_name: "", entity_version: "1" } : newExternal(first));
  const add = () => onChange(withEntities(config, [...entities, fresh()], [...shares, entities.length ? 0 : 100]));
  return (
    <div className="stack loose">
      {entities.map((entity, index) => (
        <section key={index} className="card">
          <div className="card-head">
            <h2 className="break">{entityName(entity, index) || t.entity(index + 1)}</h2>
            {entities.length > 1 && <IconButton label={t.removeEntity} icon="trash" onPress={() => remove(index)} />}
          </div>
          <div className="card-body">
            <EntityForm entity={entity} onChange={(next) => change(index, next)} faults={within(faults, `served_entities[${index}].`)} alone={entities.length === 1} />
          </div>
        </section>
      ))}
      <span>
        <Button icon="plus" onPress={add}>
          {t.addEntity}
        </Button>
      </span>
      {entities.length > 1 && <Traffic config={config} shares={shares} onChange={onChange} />}
    </div>
  );
}

export function within(faults: readonly FieldFault[], prefix: string): FieldFault[] {
  return faults.filter((fault) => fault.field.startsWith(prefix)).map((fault) => ({ ...fault, field: fault.field.slice(prefix.length) }));
}

function Traffic({ config, shares, onChange }: { config: ConfigBody; shares: number[]; onChange(config: ConfigBody): void }) {
  const t = useT("endpoints").form;
  const id = useId();
  const set = (index: number, value: number) => onChange(withShares(config, rebalanced(shares, index, value)));
  return (
    <section className="card">
      <div className="card-head">
        <h2>{t.traffic}</h2>
      </div>
      <div className="card-body stack">
        <div className="endpoints-split" aria-hidden="true">
          {shares.map((share, index) => (
            <span key={index} style={{ flexGrow: share, background: `var(--chart-${(index % 6) + 1})` }} hidden={share === 0} />
          ))}
        </div>
        {config.served_entities.map((entity, index) => (
          <div key={index} className="endpoints-slider">
            <label htmlFor={`${id}-${index}`} className="truncate">
              <span className="dot" style={{ background: `var(--chart-${(index % 6) + 1})` }} /> {entityName(entity, index)}
            </label>
            <input id={`${id}-${index}`} type="range" min={0} max={100} value={shares[index] ?? 0} onChange={(event) => set(index, Number(event.target.value))} />
            <input className="input nums" type="number" min={0} max={100} aria-label={t.share(entityName(entity, index))} value={shares[index] ?? 0} onChange={(event) => set(index, Number(event.target.value))} />
          </div>
        ))}
        <p className="faint">{t.trafficHelp}</p>
      </div>
    </section>
  );
}
