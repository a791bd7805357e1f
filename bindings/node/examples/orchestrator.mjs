// An orchestrator that makes itself a key, hands the public half to the agent, and calls it:
//   node orchestrator.mjs http://127.0.0.1:5001 path/to/the/agents/authorized_keys
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { KeyManager, OrchestratorClient } from "tallystick";

const [url, keysDir] = process.argv.slice(2);

const { privatePem, publicPem } = await KeyManager.generateRsaKeypair();
await mkdir(keysDir, { recursive: true });
await writeFile(join(keysDir, "my_orchestrator.pem"), publicPem);

const client = new OrchestratorClient({ issuerId: "my_orchestrator", signer: privatePem });
console.log(await client.send(url, { query: "What movies are playing?" }));
