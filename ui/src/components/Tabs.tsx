/** Tabs whose choice stands in the query string, so that each can be linked to. Panels are drawn when they are chosen. */
import type { ReactNode } from "react";
import { Tab, TabList, TabPanel, Tabs as AriaTabs } from "react-aria-components";
import { useQueryState } from "~/app/query-state";

export interface TabSpec {
  id: string;
  label: string;
  content: ReactNode;
}

export function Tabs({ label, tabs, name = "tab" }: { label: string; tabs: readonly TabSpec[]; name?: string }) {
  const query = useQueryState();
  const asked = query.get(name);
  const first = tabs[0]?.id ?? "";
  const chosen = tabs.some((tab) => tab.id === asked) ? (asked ?? first) : first;
  return (
    <AriaTabs className="tabs" selectedKey={chosen} onSelectionChange={(key) => query.set({ [name]: key === first ? null : String(key) })}>
      <TabList aria-label={label} className="tab-list">
        {tabs.map((tab) => (
          <Tab key={tab.id} id={tab.id} className="tab">
            {tab.label}
          </Tab>
        ))}
      </TabList>
      {tabs.map((tab) => (
        <TabPanel key={tab.id} id={tab.id} className="tab-panel">
          {tab.content}
        </TabPanel>
      ))}
    </AriaTabs>
  );
}
