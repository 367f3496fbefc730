/** Calls to one endpoint alone; stands in the query string as `endpoint`. */
import { memo } from "react";
import { useEndpointNames } from "~/api/endpoints";
import { useQueryState } from "~/app/query-state";
import { Select } from "~/components/fields";
import { useT } from "~/i18n";

export const EndpointFilter = memo(function EndpointFilter() {
  const t = useT("calls");
  const query = useQueryState();
  const asked = query.get("endpoint");
  const names = new Set(useEndpointNames().data ?? []);
  // Calls of an endpoint that is gone can still be looked at.
  if (asked !== null) names.add(asked);
  return <Select label={t.endpoint} value={asked ?? ""} onChange={(id) => query.set({ endpoint: id || null })} choices={[{ id: "", label: t.any }, ...[...names].sort().map((id) => ({ id, label: id }))]} />;
});
