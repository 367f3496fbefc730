/** All words in English: the shape that every other language must have. */
import { audit } from "./audit";
import { budgets } from "./budgets";
import { calls } from "./calls";
import { components } from "./components";
import { endpoints } from "./endpoints";
import { models } from "./models";
import { people } from "./people";
import { playground } from "./playground";
import { providers } from "./providers";
import { query } from "./query";
import { secrets } from "./secrets";
import { shell } from "./shell";
import { signin } from "./signin";
import { status } from "./status";
import { tokens } from "./tokens";
import { usage } from "./usage";

export default {
  audit,
  budgets,
  calls,
  components,
  endpoints,
  models,
  people,
  playground,
  providers,
  query,
  secrets,
  shell,
  signin,
  status,
  tokens,
  usage,
};
