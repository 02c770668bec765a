// Holds the stream for all pages of a browser.

import { share } from "./share";

const join = share();
addEventListener("connect", event => join((event as MessageEvent).ports[0]));
