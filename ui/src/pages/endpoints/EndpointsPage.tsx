/** Endpoints: the list, one endpoint, and making a new one. */
import { Route, Switch } from "wouter";
import { useQueryState } from "~/app/query-state";
import { CreatePage } from "./create/CreatePage";
import { EndpointList } from "./list/EndpointList";
import { EndpointPage } from "./one/EndpointPage";
import "./endpoints.css";

export default function EndpointsPage() {
  const query = useQueryState();
  return (
    <Switch>
      <Route path="/endpoints/:name">{({ name }) => <EndpointPage key={name} name={decodeURIComponent(name)} />}</Route>
      <Route>{query.get("new") ? <CreatePage /> : <EndpointList />}</Route>
    </Switch>
  );
}
