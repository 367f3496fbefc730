/** What must be switched on before there is anything to see, with the button that does it. */
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { type EndpointChoice, useEndpointChoices } from "~/api/endpoint-choices";
import { useIsAdmin, useMe } from "~/api/me";
import { trackUsage } from "~/api/usage";
import { Button, ButtonLink } from "~/components/Button";
import { Banner, EmptyState, Skeleton } from "~/components/states";
import { toast } from "~/components/Toast";
import { useT } from "~/i18n";

const MOST_NAMES = 5;

/** Endpoints whose usage is not tracked and can be by the user: administrators may change any, others what they made. */
function useUntracked(endpoints: readonly EndpointChoice[]): string[] {
  const me = useMe();
  const admin = useIsAdmin();
  const untracked = endpoints.filter((each) => !each.ai_gateway?.usage_tracking_config?.enabled);
  return untracked.filter((each) => admin || each.creator === me.data?.userName).map((each) => each.name);
}

function useTracking() {
  const t = useT("calls").empty;
  const queries = useQueryClient();
  return useMutation({
    mutationFn: async (names: readonly string[]) => {
      const results = await Promise.allSettled(names.map(trackUsage));
      const failed = names.filter((_, index) => results[index]?.status === "rejected");
      const first = results.find((result) => result.status === "rejected");
      if (first && failed.length === names.length) throw first.reason;
      return { done: names.length - failed.length, failed };
    },
    onSuccess: ({ done, failed }) => {
      toast.ok(t.done(done));
      if (failed.length) toast.error(t.some(failed.join(", ")));
      void queries.invalidateQueries({ queryKey: ["endpoints"] });
      void queries.invalidateQueries({ queryKey: ["endpoint"] });
    },
    onError: (thrown) => toast.error(thrown),
  });
}

/** Teaches the first step where there are no calls at all. */
export function NothingCounted() {
  const t = useT("calls").empty;
  const endpoints = useEndpointChoices();
  const tracking = useTracking();
  const untracked = useUntracked(endpoints.data?.endpoints ?? []);
  if (!endpoints.data) return <Skeleton lines={3} />;
  const tracked = endpoints.data.endpoints?.some((each) => each.ai_gateway?.usage_tracking_config?.enabled) ?? false;
  if (!untracked.length)
    return (
      <EmptyState title={t.title} action={tracked && <ButtonLink kind="primary" icon="playground" href="/playground">{t.talk}</ButtonLink>}>
        {tracked ? t.tracked : t.ask}
      </EmptyState>
    );
  const action = (
    <Button kind="primary" icon="check" busy={tracking.isPending} onPress={() => tracking.mutate(untracked)}>
      {t.all(untracked.length)}
    </Button>
  );
  return (
    <EmptyState title={t.title} action={action} command={'{"ai_gateway": {"usage_tracking_config": {"enabled": true}}}'}>
      {t.help}
    </EmptyState>
  );
}

/** Says whose calls are missing from what is shown. */
export function NotCounted() {
  const t = useT("calls").empty;
  const endpoints = useEndpointChoices();
  const tracking = useTracking();
  const untracked = useUntracked(endpoints.data?.endpoints ?? []);
  if (!untracked.length) return null;
  const names = untracked.slice(0, MOST_NAMES).join(", ") + (untracked.length > MOST_NAMES ? "…" : "");
  const action = (
    <Button small busy={tracking.isPending} onPress={() => tracking.mutate(untracked)}>
      {t.switchOn}
    </Button>
  );
  return (
    <Banner tone="info" action={action}>
      {t.untracked(names)}
    </Banner>
  );
}
