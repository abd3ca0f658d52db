// kafkajs' `member` and `feed`; clients/python/roles.py says what they speak.
'use strict'

const readline = require('node:readline')
const { Partitioners } = require('kafkajs')
const { connect } = require('./client')
const { CODECS, sleep } = require('./suite')

const say = (...words) => process.stdout.write(words.join(' ') + '\n')
const listed = (partitions) => [...partitions].sort((a, b) => a - b).join(',') || '-'
const unpadded = (value) => String(value).replace(/\.*$/, '')

function hear(listener) {
  const lines = readline.createInterface({ input: process.stdin })
  lines.on('line', (line) => listener(line.trim()))
  lines.on('close', () => listener('leave'))
}

async function member(bootstrap, groupId, topic, options) {
  const consumer = connect(bootstrap, { clientId: options.name ?? 'member' }).consumer({
    groupId, maxWaitTimeInMs: 100, sessionTimeout: Number(options['session-ms'] ?? 6000),
    heartbeatInterval: 300, rebalanceTimeout: 10_000, metadataMaxAge: 60_000,
    retry: { initialRetryTime: 50, maxRetryTime: 300, retries: 50 },
  })
  const positions = new Map()
  // kafkajs has no word with the application before it gives partitions up: it finishes the batch.
  // So each batch is committed as it is seen, but not what comes after `commit` was first heard.
  let byHand = false
  const { GROUP_JOIN, REBALANCING, CRASH } = consumer.events
  consumer.on(GROUP_JOIN, ({ payload }) => {
    positions.clear()
    say('assigned', listed(payload.memberAssignment[topic] ?? []))
  })
  consumer.on(REBALANCING, () => say('error', 'REBALANCE_IN_PROGRESS'))
  consumer.on(CRASH, ({ payload }) => say('error', payload.error.type ?? payload.error.name))

  async function commit() {
    const places = [...positions].map(([partition, offset]) => ({
      topic, partition, offset: String(offset),
    }))
    try {
      if (places.length > 0) await consumer.commitOffsets(places)
      say('committed', places.map((it) => `${it.partition}:${it.offset}`).join(',') || '-')
    } catch (error) {
      say('commit-failed', error.type ?? error.name)
    }
  }

  hear(async (command) => {
    if (command === 'commit') {
      byHand = true
      await commit()
    } else if (command === 'leave') {
      await commit()
      await consumer.disconnect()
      say('left')
      process.exit(0)
    }
  })
  await consumer.connect()
  await consumer.subscribe({ topic, fromBeginning: true })
  await consumer.run({
    autoCommit: false,
    eachBatchAutoResolve: true,
    eachBatch: async ({ batch }) => {
      for (const message of batch.messages) {
        positions.set(batch.partition, Number(message.offset) + 1)
        say('record', batch.partition, message.offset, unpadded(message.value))
      }
      if (!byHand) await commit()
    },
  })
}

async function feed(bootstrap, topic, options) {
  const producer = connect(bootstrap, { retry: { initialRetryTime: 50, maxRetryTime: 200, retries: 1000 } })
    .producer({
      createPartitioner: Partitioners.DefaultPartitioner, idempotent: true, maxInFlightRequests: 1,
      allowAutoTopicCreation: true,
    })
  await producer.connect()
  let waiting = []
  let leaving = false
  hear((line) => {
    if (line === 'leave') leaving = true
    else waiting.push(line)
  })
  while (!leaving || waiting.length > 0) {
    const lines = waiting.splice(0, 100)
    const messages = new Map()
    for (const line of lines) {
      const at = line.indexOf(' ')
      const partition = Number(line.slice(0, at))
      if (!messages.has(partition)) messages.set(partition, [])
      messages.get(partition).push(line.slice(at + 1))
    }
    for (const [partition, values] of messages) {
      try {
        const [answer] = await producer.send({
          topic, acks: -1, compression: CODECS[options.codec ?? 'none'],
          messages: values.map((value) => ({
            partition, value: value.padEnd(Number(options.pad ?? 0), '.'),
          })),
        })
        values.forEach((value, i) => say('acked', partition, Number(answer.baseOffset) + i, value))
      } catch (error) {
        values.forEach((value) => say('failed', error.type ?? error.name, value))
      }
    }
    if (lines.length === 0) await sleep(5)
  }
  await producer.disconnect()
  say('left')
  process.exit(0)
}

const [verb, ...words] = process.argv.slice(2)
const fixed = verb === 'member' ? 3 : 2
const options = Object.fromEntries(words.slice(fixed).map((word) => word.split('=', 2)))
const run = verb === 'member' ? member : feed
run(...words.slice(0, fixed), options)
