/** The frame of one page: its title in the window and on top, what it is for, and what can be done. */
import type { ReactNode } from "react";

export function Page({ title, heading, help, actions, children }: { title: string; heading?: ReactNode; help?: ReactNode; actions?: ReactNode; children: ReactNode }) {
  return (
    <div className="page">
      <title>{`${title} · cloche`}</title>
      <header className="page-head">
        <div className="page-title">
          {heading ?? <h1>{title}</h1>}
          {help && <p>{help}</p>}
        </div>
        {actions && <div className="row wrap">{actions}</div>}
      </header>
      {children}
    </div>
  );
}
