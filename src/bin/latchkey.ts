#!/usr/bin/env node
import { main } from "../app/cli/main.js";

await main();
