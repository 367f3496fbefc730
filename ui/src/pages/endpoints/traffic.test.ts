import { expect, test } from "vitest";
import type { ConfigBody } from "~/api/endpoints";
import { rebalanced, sharesOf, withEntities, withShares } from "./traffic";

const sum = (shares: number[]) => shares.reduce((total, share) => total + share, 0);

test("shares add up to 100 wherever a slider goes", () => {
  for (const shares of [[100], [80, 20], [34, 33, 33], [100, 0, 0], [1, 1, 1, 97], [0, 0, 100, 0, 0]])
    for (let index = 0; index < shares.length; index += 1)
      for (let value = -5; value <= 105; value += 1) {
        const moved = rebalanced(shares, index, value);
        expect(sum(moved)).toBe(100);
        expect(Math.min(...moved)).toBeGreaterThanOrEqual(0);
        if (shares.length > 1) expect(moved[index]).toBe(Math.max(0, Math.min(100, value)));
      }
});

test("the others keep their proportion", () => {
  expect(rebalanced([50, 40, 10], 0, 0)).toEqual([0, 80, 20]);
  expect(rebalanced([100, 0, 0], 0, 40)).toEqual([40, 30, 30]);
});

const CONFIG: ConfigBody = { served_entities: [{ name: "a" }, { entity_name: "m" }], traffic_config: { routes: [{ served_entity_name: "a", traffic_percentage: 100 }] } };

test("an entity without a share has no route", () => {
  expect(sharesOf(CONFIG)).toEqual([100, 0]);
  expect(withShares(CONFIG, [100, 0]).traffic_config).toEqual(CONFIG.traffic_config);
  expect(withShares(CONFIG, [30, 70]).traffic_config?.routes[1]).toEqual({ served_entity_name: "m", traffic_percentage: 70 });
});

test("taking an entity away leaves a whole", () => {
  const left = withEntities(CONFIG, [{ entity_name: "m" }], [30]);
  expect(left.traffic_config?.routes).toEqual([{ served_entity_name: "m", traffic_percentage: 100 }]);
});
