/** Shares of traffic: whole per cents that always add up to 100. */
import type { ConfigBody, EntityBody } from "~/api/endpoints";

/** The shares after one was moved: the others give or take in proportion, the largest remainders first. */
export function rebalanced(shares: readonly number[], index: number, value: number): number[] {
  if (shares.length === 1) return [100];
  const moved = Math.max(0, Math.min(100, Math.round(value)));
  const others = shares.map((share, at) => (at === index ? 0 : share));
  const rest = 100 - moved;
  const sum = others.reduce((total, share) => total + share, 0);
  const exact = others.map((share, at) => (at === index ? 0 : sum > 0 ? (share * rest) / sum : rest / (shares.length - 1)));
  const whole = exact.map(Math.floor);
  let left = rest - whole.reduce((total, share) => total + share, 0);
  const order = exact.map((share, at) => ({ at, part: share - Math.floor(share) })).filter(({ at }) => at !== index).sort((one, other) => other.part - one.part);
  for (const { at } of order) {
    if (left <= 0) break;
    whole[at] = (whole[at] ?? 0) + 1;
    left -= 1;
  }
  whole[index] = moved;
  return whole;
}

/** The name by which routes speak of an entity. */
export function entityName(entity: EntityBody, index: number): string {
  return entity.name || (entity.external_model?.name ?? entity.entity_name ?? `entity-${index + 1}`);
}

/** The share of each entity, in order; without routes the first has all. */
export function sharesOf(config: ConfigBody): number[] {
  const routes = config.traffic_config?.routes;
  return config.served_entities.map((entity, index) => {
    if (!routes?.length) return index === 0 ? 100 : 0;
    return routes.find((route) => (route.served_entity_name ?? (route as { served_model_name?: string }).served_model_name) === entityName(entity, index))?.traffic_percentage ?? 0;
  });
}

/** The configuration with these shares; an entity with none stays as a spare for fallback, without a route. */
export function withShares(config: ConfigBody, shares: readonly number[]): ConfigBody {
  const routes = config.served_entities.flatMap((entity, index) => (shares[index] ? [{ served_entity_name: entityName(entity, index), traffic_percentage: shares[index] }] : []));
  return { ...config, traffic_config: { routes } };
}

/** Another list of entities, whose shares follow their places. */
export function withEntities(config: ConfigBody, entities: EntityBody[], shares: readonly number[]): ConfigBody {
  const sum = shares.reduce((total, share) => total + share, 0);
  const whole = sum === 100 ? shares : rebalanced(shares.length ? shares : [100], 0, 100 - shares.slice(1).reduce((total, share) => total + share, 0));
  return withShares({ ...config, served_entities: entities }, whole);
}
