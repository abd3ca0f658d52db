// kafkajs: what a producer and a consumer can do, and the admin client (admin.js).
'use strict'

const { Kafka, Partitioners, logLevel } = require('kafkajs')
const suite = require('./suite')
const { BASE_MS, CODECS, equal, holds, eventually, refused } = suite

const CLIENT = 'kafkajs'
let groups = 0

function connect(bootstrap, options = {}) {
  return new Kafka({
    clientId: 'e2e', brokers: [bootstrap], logLevel: logLevel.NOTHING,
    retry: { initialRetryTime: 50, maxRetryTime: 500, retries: 20 }, ...options,
  })
}

async function withAdmin(bootstrap, action) {
  const admin = connect(bootstrap).admin()
  await admin.connect()
  try {
    return await action(admin)
  } finally {
    await admin.disconnect()
  }
}

async function create(bootstrap, topic, numPartitions = 1, configs = {}) {
  const configEntries = Object.entries(configs).map(([name, value]) => ({ name, value }))
  await withAdmin(bootstrap, async (admin) => {
    const wanted = { topic, numPartitions, replicationFactor: 1, configEntries }
    await admin.createTopics({ waitForLeaders: false, topics: [wanted] })
    await led(admin, topic)
  })
}

// Waits until the broker leads a new topic: Kafka answers before it does.
async function led(admin, topic) {
  await eventually(`leaders of ${topic}`, async () => {
    try {
      return await admin.fetchTopicOffsets(topic)
    } catch (error) {
      holds(/UNKNOWN_TOPIC|LEADER/.test((error.cause ?? error).type), error)
      return null
    }
  })
}

async function withProducer(bootstrap, options, action) {
  const producer = connect(bootstrap)
    .producer({ createPartitioner: Partitioners.DefaultPartitioner, ...options })
  await producer.connect()
  try {
    return await action(producer)
  } finally {
    await producer.disconnect()
  }
}

// Sends and gives the first offset of each partition.
async function send(bootstrap, topic, messages, options = {}) {
  const { codec = 'none', acks = -1, ...producer } = options
  const answer = await withProducer(bootstrap, producer, (it) =>
    it.send({ topic, messages, acks, compression: CODECS[codec] }))
  return Object.fromEntries(answer.map((row) => [row.partition, Number(row.baseOffset)]))
}

// Reads `count` messages of the topic; `seek` may set where to start, by partition.
async function read(bootstrap, topic, count, options = {}) {
  const { seek = {}, ...config } = options
  const groupId = `${CLIENT}-read-${process.pid}-${groups++}`
  const consumer = connect(bootstrap).consumer({ groupId, maxWaitTimeInMs: 100, ...config })
  await consumer.connect()
  const messages = []
  try {
    await consumer.subscribe({ topic, fromBeginning: true })
    await consumer.run({
      autoCommit: false,
      eachBatch: async ({ batch }) => {
        const high = Number(batch.highWatermark)
        for (const message of batch.messages) {
          messages.push({ ...message, partition: batch.partition, high })
        }
      },
    })
    for (const [partition, offset] of Object.entries(seek)) {
      consumer.seek({ topic, partition: Number(partition), offset: String(offset) })
    }
    await eventually(`${count} messages of ${topic}`, () => messages.length >= count)
    equal(messages.length, count, `messages of ${topic}`)
    return messages
  } finally {
    await consumer.disconnect()
  }
}

// A header that is there once is no list.
function headersOf(message) {
  return Object.fromEntries(Object.entries(message.headers ?? {}))
}

function checkAll(messages, rows) {
  rows.forEach((row, at) => {
    const message = messages[at]
    equal(message.offset, String(at), 'offset')
    equal(message.key, row.key, `key at ${at}`)
    equal(message.value, row.value, `value at ${at}`)
    equal(headersOf(message), row.headers ?? {}, `headers at ${at}`)
    equal(message.timestamp, row.timestamp, `timestamp at ${at}`)
    equal(message.attributes, 0, `attributes at ${at}`)
  })
}

const buffer = (text) => (text === null ? null : Buffer.from(text))
const row = (key, value, timestamp, more = {}) => ({
  key: buffer(key), value: buffer(value), timestamp: String(timestamp), ...more,
})

function codec(name) {
  return async (bootstrap) => {
    const topic = `${CLIENT}-codec-${name}`
    await create(bootstrap, topic)
    const rows = suite.dataset(CLIENT, name)
    equal(await send(bootstrap, topic, rows, { codec: name }), { 0: 0 }, 'acknowledged offset')
    checkAll(await read(bootstrap, topic, rows.length), rows)
  }
}

function murmur2(data) {
  const m = 0x5bd1e995
  let h = 0x9747b28c ^ data.length
  const whole = data.length & ~3
  for (let at = 0; at < whole; at += 4) {
    let k = Math.imul(data.readInt32LE(at), m)
    k = Math.imul(k ^ (k >>> 24), m)
    h = Math.imul(h, m) ^ k
  }
  for (let at = data.length - 1; at >= whole; at--) h ^= data[at] << (8 * (at - whole))
  if (data.length > whole) h = Math.imul(h, m)
  h = Math.imul(h ^ (h >>> 13), m)
  return (h ^ (h >>> 15)) >>> 0
}

async function keys(bootstrap) {
  const topic = `${CLIENT}-keys`
  await create(bootstrap, topic, 5)
  const keyed = Array.from({ length: 400 }, (_, i) => row(`key-${i % 40}`, `${i}`, 1))
  const nulls = Array.from({ length: 200 }, (_, i) => row(null, `n${i}`, 1))
  await send(bootstrap, topic, [...keyed, ...nulls])
  const messages = await read(bootstrap, topic, 600)
  const spread = new Set()
  const seen = new Set()
  for (const message of messages) {
    const value = message.value.toString()
    seen.add(value)
    if (value.startsWith('n')) {
      equal(message.key, null, `key of ${value}`)
      spread.add(message.partition)
    } else {
      const key = Buffer.from(`key-${Number(value) % 40}`)
      equal(message.key, key, `key of ${value}`)
      equal(message.partition, (murmur2(key) & 0x7fffffff) % 5, `partition of ${key}`)
    }
  }
  equal([seen.size, spread.size], [600, 5], 'distinct values, partitions of null keys')
}

async function headers(bootstrap) {
  const topic = `${CLIENT}-headers`
  await create(bootstrap, topic)
  const binary = Buffer.from(Array.from({ length: 256 }, (_, i) => i))
  const many = Object.fromEntries(
    Array.from({ length: 200 }, (_, i) => [`h${i}`, Buffer.alloc(i, 'x')]))
  const rows = [
    row('k', 'v', 1),
    row('k', 'v', 2, { headers: { a: Buffer.from('1') } }),
    row('k', 'v', 3, { headers: { a: ['1', '3', '1'].map(buffer), b: Buffer.from('2') } }),
    row('k', 'v', 4, { headers: { empty: Buffer.from(''), '': binary } }),
    row(null, 'v', 5, { headers: { 'schlüssel-☃': Buffer.from('wert-☃') } }),
    row(null, 'v', 6, { headers: many }),
    row(null, 'v', 7, { headers: { big: Buffer.alloc(100_000, 'y') } }),
  ]
  await send(bootstrap, topic, rows)
  checkAll(await read(bootstrap, topic, rows.length), rows)
}

async function sizes(bootstrap) {
  const topic = `${CLIENT}-sizes`
  await create(bootstrap, topic)
  const big = Buffer.from(Array.from({ length: 1_048_000 }, (_, i) => (i * 7 + i / 253) & 255))
  const rows = [
    row('empty', '', 1), row('null', null, 2), row(null, 'x', 3),
    { key: null, value: big, timestamp: '4' }, row('', '', 5), row(null, null, 6),
    { key: Buffer.from('after'), value: big.subarray(0, 500_000), timestamp: '7' },
  ]
  for (const one of rows) await send(bootstrap, topic, [one])
  checkAll(await read(bootstrap, topic, rows.length), rows)
  // A fetch limit below the record's size must not hide the record (KIP-74).
  const small = { maxBytesPerPartition: 1000, maxBytes: 1000 }
  checkAll(await read(bootstrap, topic, rows.length, small), rows)
}

async function tooLarge(bootstrap) {
  const topic = `${CLIENT}-too-large`
  await create(bootstrap, topic, 1, { 'max.message.bytes': '10000' })
  await send(bootstrap, topic, [row(null, 'before', 1)])
  await refused('MESSAGE_TOO_LARGE', 'a record above the limit', () =>
    send(bootstrap, topic, [row(null, 'x'.repeat(20_000), 2)]))
  equal(await send(bootstrap, topic, [row(null, 'after', 3)]), { 0: 1 }, 'offset after that')
  const values = (await read(bootstrap, topic, 2)).map((message) => String(message.value))
  equal(values, ['before', 'after'], 'values')
}

async function timestamps(bootstrap) {
  const [created, appended] = [`${CLIENT}-create-time`, `${CLIENT}-append-time`]
  await create(bootstrap, created)
  await create(bootstrap, appended, 1, { 'message.timestamp.type': 'LogAppendTime' })
  const rows = [5, 3, 9, 9, 1, 1_000_000].map((shift) => row(null, `${shift}`, BASE_MS + shift))
  const before = Date.now()
  for (const name of ['none', 'gzip']) {
    await send(bootstrap, created, rows, { codec: name })
    await send(bootstrap, appended, rows, { codec: name })
  }
  const after = Date.now()
  checkAll(await read(bootstrap, created, 12), [...rows, ...rows])
  for (const message of await read(bootstrap, appended, 12)) {
    const at = Number(message.timestamp)
    holds(before <= at && at <= after, `append time ${at} outside of ${before}..${after}`)
  }
}

async function acks(bootstrap) {
  const topic = `${CLIENT}-acks`
  await create(bootstrap, topic)
  await send(bootstrap, topic, [row(null, '0', 1)])
  for (const acks of [0, 1, -1]) {
    await withProducer(bootstrap, {}, (it) => it.send({
      topic, acks, messages: Array.from({ length: 100 }, (_, i) => row(null, `${acks} ${i}`, 1)),
    }))
    // Without an answer, nothing but time tells the order between connections.
    await eventually('the records', () => withAdmin(bootstrap, async (admin) =>
      Number((await admin.fetchTopicOffsets(topic))[0].high) % 100 === 1))
  }
  const values = (await read(bootstrap, topic, 301)).slice(1).map((it) => String(it.value))
  const wanted = [0, 1, -1].flatMap((acks) => Array.from({ length: 100 }, (_, i) => `${acks} ${i}`))
  equal(values, wanted, 'values in order')
}

async function idempotence(bootstrap) {
  const topic = `${CLIENT}-idempotence`
  await create(bootstrap, topic)
  await withProducer(bootstrap, { idempotent: true, maxInFlightRequests: 5 }, async (producer) => {
    for (let at = 0; at < 50; at++) {
      const messages = Array.from({ length: 100 }, (_, i) => row(null, `${at * 100 + i}`, 1))
      const [answer] = await producer.send({ topic, messages, acks: -1 })
      equal(answer.baseOffset, String(at * 100), 'offset')
    }
  })
  const values = (await read(bootstrap, topic, 5000)).map((message) => Number(message.value))
  equal(values, Array.from({ length: 5000 }, (_, i) => i), 'values in order, once each')
}

async function autoCreate(bootstrap) {
  const topic = `${CLIENT}-auto-create`
  const rows = [row('k', 'v', 1)]
  equal(await send(bootstrap, topic, rows, { allowAutoTopicCreation: true }), { 0: 0 }, 'offset')
  checkAll(await read(bootstrap, topic, 1), rows)
  const retry = { retries: 1, initialRetryTime: 50 }
  await refused('UNKNOWN_TOPIC_OR_PARTITION', 'producing to an unknown topic', () =>
    send(bootstrap, `${topic}-never`, rows, { allowAutoTopicCreation: false, retry }))
  const names = await withAdmin(bootstrap, (admin) => admin.listTopics())
  holds(names.includes(topic) && !names.includes(`${topic}-never`), `topics ${names}`)
}

async function seekTime(bootstrap) {
  const topic = `${CLIENT}-seek-time`
  await create(bootstrap, topic)
  for (const [part, name] of ['none', 'gzip'].entries()) {
    for (let at = 0; at < 10; at++) {
      const messages = Array.from({ length: 10 }, (_, i) =>
        row(null, `${at * 10 + i}`, BASE_MS + part * 1000 + (at * 10 + i) * 10))
      await send(bootstrap, topic, messages, { codec: name })
    }
  }
  const rows = [[-BASE_MS, 0], [0, 0], [1, 1], [555, 56], [1000, 100], [1990, 199], [1991, 200]]
  await withAdmin(bootstrap, async (admin) => {
    for (const [shift, want] of rows) {
      const [found] = await admin.fetchTopicOffsetsByTimestamp(topic, BASE_MS + shift)
      equal(Number(found.offset), want, `offset of time base+${shift}`)
    }
  })
  const [first] = await read(bootstrap, topic, 144, { seek: { 0: 56 } })
  equal([first.offset, first.timestamp], ['56', String(BASE_MS + 560)], 'after the seek')
}

async function seekOffsets(bootstrap) {
  const topic = `${CLIENT}-seek-offsets`
  await create(bootstrap, topic)
  await send(bootstrap, topic, Array.from({ length: 100 }, (_, i) => row(null, `${i}`, 1)))
  for (const readUncommitted of [true, false]) {
    for (const start of [0, 37, 99]) {
      const options = { seek: { 0: start }, readUncommitted }
      const messages = await read(bootstrap, topic, 100 - start, options)
      equal(messages.map((it) => Number(it.value))[0], start, `first value from ${start}`)
      equal(messages[0].high, 100, 'high watermark')
    }
  }
  // Past the end is out of range: kafkajs goes back to its default offset, the beginning.
  const again = await read(bootstrap, topic, 100, { seek: { 0: 1000 } })
  equal(Number(again[0].value), 0, 'first value from past the end')
  await withAdmin(bootstrap, async (admin) => {
    const [offsets] = await admin.fetchTopicOffsets(topic)
    equal([offsets.low, offsets.high], ['0', '100'], 'ends')
  })
}

async function readsOthers(bootstrap) {
  const topics = await withAdmin(bootstrap, (admin) => admin.listTopics())
  for (const writer of suite.WRITERS) {
    for (const name of Object.keys(CODECS)) {
      const topic = `${writer}-codec-${name}`
      if (!topics.includes(topic)) continue
      const rows = suite.dataset(writer, name)
      checkAll(await read(bootstrap, topic, rows.length), rows)
    }
  }
}

module.exports = { connect, withAdmin, create, led, send, read, row }

if (require.main === module) {
  const admin = require('./admin')
  const codecs = Object.keys(CODECS).map((name) => [`codec-${name}`, codec(name)])
  suite.main({
    ...Object.fromEntries(codecs), keys, headers, sizes, 'too-large': tooLarge, timestamps, acks,
    idempotence, 'auto-create': autoCreate, 'seek-time': seekTime, 'seek-offsets': seekOffsets,
    'reads-others': readsOthers, ...admin,
  })
}
