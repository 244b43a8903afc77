#!/usr/bin/env node
import { main } from "../dist/bundle/cli.mjs";

main(process.argv.slice(2));
