// What the Node.js programs share: the features' runner, comparisons, codecs, and their data.
'use strict'

const assert = require('node:assert')
const { CompressionCodecs, CompressionTypes } = require('kafkajs')
const SnappyCodec = require('kafkajs-snappy')
const lz4 = require('lz4-napi')
const { ZstdCodec } = require('zstd-codec')

const BASE_MS = 1_700_000_000_000
const CODECS = {
  none: CompressionTypes.None, gzip: CompressionTypes.GZIP, snappy: CompressionTypes.Snappy,
  lz4: CompressionTypes.LZ4, zstd: CompressionTypes.ZSTD,
}
const WRITERS = ['confluent-kafka', 'aiokafka', 'kafka-python', 'java', 'kafkajs', 'franz-go']

CompressionCodecs[CompressionTypes.Snappy] = SnappyCodec
CompressionCodecs[CompressionTypes.LZ4] = () => ({
  compress: (encoder) => lz4.compressFrame(encoder.buffer),
  decompress: (buffer) => lz4.decompressFrame(buffer),
})
const zstd = new Promise((resolve) => ZstdCodec.run((it) => resolve(new it.Streaming())))
CompressionCodecs[CompressionTypes.ZSTD] = () => ({
  compress: async (encoder) => Buffer.from((await zstd).compress(encoder.buffer)),
  decompress: async (buffer) => Buffer.from((await zstd).decompress(buffer)),
})

// The records of topic CLIENT-codec-CODEC, the same in every language; see suite.py.
function dataset(client, codec) {
  return Array.from({ length: 300 }, (_, i) => ({
    key: i % 3 === 0 ? null : Buffer.from(`key-${i % 7}`),
    value: Buffer.from(`${client} ${codec} ${i} ` + 'millrace '.repeat(i % 40)),
    headers: { i: [Buffer.from(`${i}`), Buffer.from('')], codec: Buffer.from(codec) },
    timestamp: String(BASE_MS + i * 10),
  }))
}

function equal(got, want, what) {
  try {
    assert.deepStrictEqual(got, want)
  } catch {
    const text = (value) => (Buffer.isBuffer(value) ? value.toString() : JSON.stringify(value))
    throw new Error(`${what}: got ${String(text(got)).slice(0, 300)}, ` +
      `want ${String(text(want)).slice(0, 300)}`)
  }
}

function holds(condition, what) {
  if (!condition) throw new Error(what)
}

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms))

// Asks again and again, for what a broker does in its own time.
async function eventually(what, check, seconds = 20) {
  const deadline = Date.now() + seconds * 1000
  for (;;) {
    const answer = await check()
    if (answer) return answer
    holds(Date.now() < deadline, `after ${seconds} s still not: ${what}`)
    await sleep(20)
  }
}

// The action must fail with an error of the protocol, named by its code.
async function refused(type, what, action) {
  let result
  try {
    result = await action()
  } catch (error) {
    const inner = error.errors?.[0] ?? error.cause ?? error
    equal(inner.type ?? inner.name, type, `${what}: ${inner.message}`)
    return
  }
  throw new Error(`${what}: accepted, gave ${JSON.stringify(result)}`)
}

async function main(features) {
  const [bootstrap, ...names] = process.argv.slice(2)
  for (const name of names) {
    const start = Date.now()
    try {
      holds(features[name], 'the program knows no such feature')
      await features[name](bootstrap)
      console.log(`${name}: ok`)
      if (process.env.MILLRACE_E2E_TIMES) console.error(`${name}: ${Date.now() - start} ms`)
    } catch (error) {
      console.error(error)
      console.log(`${name}: FAIL ${String(error).replace(/\s+/g, ' ').slice(0, 400)}`)
    }
  }
  // Some clients' timers outlive a failed feature.
  process.exit(0)
}

module.exports = {
  BASE_MS, CODECS, WRITERS, dataset, equal, holds, sleep, eventually, refused, main,
}
