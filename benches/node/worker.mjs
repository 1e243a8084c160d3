// A durable worker as it is usually written for Node.js: ioredis, pg, one INSERT of many rows for each read.
import { Redis } from 'ioredis';
import pg from 'pg';

const stream = process.env.REDIS_TELEMETRY_STREAM;
const group = 'processor';
const entriesPerRead = 1000;
const columns = ['device_id', 'ts', 'latitude', 'longitude', 'altitude', 'angle', 'speed', 'satellites', 'priority',
  'codec', 'attributes'];

const redis = new Redis(process.env.REDIS_URL);
const postgres = new pg.Client({ connectionString: process.env.POSTGRES_URL });
await postgres.connect();

let working = true;
process.on('SIGTERM', () => { working = false; });

// A sentinel becomes the string it holds.
const plain = (value) => value?.__bigint ?? value?.__buffer_b64 ?? value;

function rowOf(fields) {
  const entry = {};
  for (let n = 0; n < fields.length; n += 2) entry[fields[n]] = fields[n + 1];
  const fix = JSON.parse(entry.payload);
  const attributes = {};
  for (const [key, value] of Object.entries(fix.attributes)) attributes[key] = plain(value);
  return [fix.device_id, fix.timestamp, fix.latitude, fix.longitude, fix.altitude, fix.angle, fix.speed, fix.satellites,
    fix.priority, entry.codec, JSON.stringify(attributes)];
}

const statements = new Map();
function statementFor(rows) {
  if (!statements.has(rows)) {
    const row = (n) => `(${columns.map((_, column) => `$${n * columns.length + column + 1}`).join(',')})`;
    const values = Array.from({ length: rows }, (_, n) => row(n)).join(',');
    const text = `INSERT INTO positions (${columns.join(',')}) VALUES ${values} ON CONFLICT (device_id, ts) DO NOTHING`;
    statements.set(rows, { name: `insert-${rows}`, text });
  }
  return statements.get(rows);
}

while (working) {
  const read = await redis.xreadgroup('GROUP', group, 'node', 'COUNT', entriesPerRead, 'BLOCK', 200, 'STREAMS', stream,
    '>');
  if (!read) continue;
  const entries = read[0][1];
  const rows = entries.map(([, fields]) => rowOf(fields));
  await postgres.query({ ...statementFor(rows.length), values: rows.flat() });
  await redis.xack(stream, group, ...entries.map(([id]) => id));
}
await postgres.end();
redis.disconnect();
