// kafkajs' admin client: everything that is set is read back.
'use strict'

const { ConfigResourceTypes } = require('kafkajs')
const { connect, withAdmin, create, led, send, read, row } = require('./client')
const { equal, holds, eventually, refused } = require('./suite')

const PREFIX = 'kafkajs-admin'

async function fill(bootstrap, topic, partition, count) {
  const messages = Array.from({ length: count }, (_, i) => ({ ...row(null, `${i}`, 1), partition }))
  await send(bootstrap, topic, messages)
}

async function topics(bootstrap) {
  const name = `${PREFIX}-topics`
  await withAdmin(bootstrap, async (admin) => {
    const make = (topic, more = {}) => admin.createTopics({
      waitForLeaders: false, topics: [{ topic, numPartitions: 3, replicationFactor: 1, ...more }],
    })
    equal(await make(name), true, 'created')
    await led(admin, name)
    equal(await make(name), false, 'created again')
    const read = async () => (await admin.fetchTopicMetadata({ topics: [name] })).topics[0]
    const { partitions } = await read()
    equal(partitions.length, 3, 'partitions')
    for (const partition of partitions) {
      equal(partition.partitionErrorCode, 0, 'error of a partition')
      equal(partition.replicas, [partition.leader], 'replicas')
      equal(partition.isr, partition.replicas, 'in-sync replicas')
    }
    const config = (name, value) => ({ configEntries: [{ name, value }] })
    for (const [topic, more, code] of [
      ['bad name', {}, 'INVALID_TOPIC_EXCEPTION'],
      ['x'.repeat(250), {}, 'INVALID_TOPIC_EXCEPTION'],
      [`${name}-r`, { replicationFactor: 7 }, 'INVALID_REPLICATION_FACTOR'],
      [`${name}-c`, config('no.such', '1'), 'INVALID_CONFIG'],
      [`${name}-v`, config('retention.ms', 'soon'), 'INVALID_CONFIG'],
    ]) {
      await refused(code, `creating ${topic.slice(0, 40)}`, () => make(topic, more))
    }
    const dry = { validateOnly: true, waitForLeaders: false, topics: [{ topic: `${name}-dry` }] }
    await admin.createTopics(dry)
    holds(!(await admin.listTopics()).includes(`${name}-dry`), 'validateOnly created a topic')
    const grow = (count) => admin.createPartitions({ topicPartitions: [{ topic: name, count }] })
    await grow(5)
    await eventually('five partitions', async () => (await read()).partitions.length === 5)
    await refused('INVALID_PARTITIONS', 'fewer partitions', () => grow(2))
    await fill(bootstrap, name, 4, 10)
    await admin.deleteTopics({ topics: [name] })
    await eventually('the topic gone', async () => !(await admin.listTopics()).includes(name))
    await refused('UNKNOWN_TOPIC_OR_PARTITION', 'deleting twice', () =>
      admin.deleteTopics({ topics: [name] }))
    await make(name, { numPartitions: 5 })
    await led(admin, name)
    await eventually('an empty topic', async () => {
      const offsets = await admin.fetchTopicOffsets(name)
      return offsets.find((it) => it.partition === 4)?.high === '0'
    })
  })
}

async function configs(bootstrap) {
  const name = `${PREFIX}-configs`
  await create(bootstrap, name, 1, { 'cleanup.policy': 'compact' })
  const resource = { type: ConfigResourceTypes.TOPIC, name }
  await withAdmin(bootstrap, async (admin) => {
    const read = async (key) => {
      const { resources } = await admin.describeConfigs({
        includeSynonyms: true, resources: [resource],
      })
      return resources[0].configEntries.find((entry) => entry.configName === key)
    }
    // Sources: 1 the topic's own, 5 Kafka's default.
    const set = await read('cleanup.policy')
    equal([set.configValue, set.configSource], ['compact', 1], 'set at creation')
    const standard = await read('max.message.bytes')
    equal([standard.configValue, standard.configSource], ['1048588', 5], 'a default')
    equal(standard.configSynonyms[0].configName, 'message.max.bytes', 'its synonym')
    const change = (entries) => admin.alterConfigs({
      validateOnly: false,
      resources: [{
        ...resource,
        configEntries: Object.entries(entries).map(([name, value]) => ({ name, value })),
      }],
    })
    await change({ 'retention.ms': '7200000', 'max.message.bytes': '300' })
    equal((await read('retention.ms')).configValue, '7200000', 'retention.ms')
    // AlterConfigs replaces all: what is not said is reset.
    equal((await read('cleanup.policy')).configValue, 'delete', 'what was not said')
    await refused('MESSAGE_TOO_LARGE', 'limit in force', () =>
      send(bootstrap, name, [row('k', 'x'.repeat(500), 1)]))
    await refused('INVALID_CONFIG', 'a bad value', () => change({ 'retention.ms': 'x' }))
    await refused('INVALID_CONFIG', 'a bad name', () => change({ 'no.such': '1' }))
    equal((await read('retention.ms')).configValue, '7200000', 'kept after refusals')
    await change({})
    equal((await read('max.message.bytes')).configValue, '1048588', 'after the reset')
    const { resources } = await admin.describeConfigs({
      resources: [{ type: ConfigResourceTypes.BROKER, name: '1', configNames: ['node.id'] }],
    })
    const [node] = resources[0].configEntries
    equal([node.configName, node.configValue, node.readOnly], ['node.id', '1', true], 'node.id')
  })
}

async function deleteRecords(bootstrap) {
  const topic = `${PREFIX}-delete-records`
  await create(bootstrap, topic, 2)
  await fill(bootstrap, topic, 1, 100)
  await withAdmin(bootstrap, async (admin) => {
    const remove = (offset) =>
      admin.deleteTopicRecords({ topic, partitions: [{ partition: 1, offset }] })
    const low = async () =>
      (await admin.fetchTopicOffsets(topic)).find((it) => it.partition === 1).low
    equal(await low(), '0', 'low watermark before')
    await remove('40')
    equal(await low(), '40', 'low watermark')
    let failed = null
    await remove('101').catch((error) => { failed = error })
    holds(failed, 'deleting past the end was accepted')
    const messages = await read(bootstrap, topic, 60)
    equal([messages[0].offset, String(messages[0].value)], ['40', '40'], 'first message')
    // Reading what is gone is out of range: kafkajs starts again at the beginning.
    const again = await read(bootstrap, topic, 60, { seek: { 1: 3 } })
    equal(again[0].offset, '40', 'first message from 3')
    await remove('-1')
    equal(await low(), '100', 'low watermark after deleting all')
  })
}

async function adminGroups(bootstrap) {
  const name = `${PREFIX}-groups`
  await create(bootstrap, name, 2)
  await fill(bootstrap, name, 1, 10)
  const consumer = connect(bootstrap, { clientId: 'me' })
    .consumer({ groupId: name, sessionTimeout: 6000, heartbeatInterval: 500 })
  await consumer.connect()
  await consumer.subscribe({ topic: name, fromBeginning: true })
  let seen = 0
  await consumer.run({ autoCommit: false, eachMessage: async () => { seen++ } })
  await eventually('ten messages', () => seen === 10)
  const metadata = 'where we are: ☃'
  await consumer.commitOffsets([{ topic: name, partition: 1, offset: '7', metadata }])
  await withAdmin(bootstrap, async (admin) => {
    const { groups } = await admin.listGroups()
    equal(groups.find((it) => it.groupId === name)?.protocolType, 'consumer', 'listed')
    const describe = async () => (await admin.describeGroups([name])).groups[0]
    const group = await describe()
    equal([group.state, group.protocol, group.members.length, group.members[0].clientId],
      ['Stable', 'RoundRobinAssigner', 1, 'me'], 'described group')
    await refused('NON_EMPTY_GROUP', 'deleting it alive', async () => {
      await admin.deleteGroups([name]).catch((error) => { throw error.groups?.[0]?.error ?? error })
    })
    await consumer.disconnect()
    await eventually('an empty group', async () => (await describe()).state === 'Empty')
    const offsets = async () => {
      const [topic] = await admin.fetchOffsets({ groupId: name, topics: [name] })
      return topic.partitions.sort((a, b) => a.partition - b.partition)
    }
    const [, one] = await offsets()
    equal([one.offset, one.metadata], ['7', metadata], 'committed offset')
    await admin.setOffsets({
      groupId: name, topic: name,
      partitions: [{ partition: 0, offset: '0' }, { partition: 1, offset: '3' }],
    })
    equal((await offsets()).map((it) => it.offset), ['0', '3'], 'altered offsets')
    await admin.deleteGroups([name])
    const left = (await admin.listGroups()).groups.map((it) => it.groupId)
    holds(!left.includes(name), 'the group is still listed')
    equal((await describe()).state, 'Dead', 'state of an unknown group')
  })
}

async function cluster(bootstrap) {
  await withAdmin(bootstrap, async (admin) => {
    const read = await admin.describeCluster()
    holds(read.clusterId, 'the cluster has no id')
    equal(read.brokers.map((it) => `${it.host}:${it.port}`), [bootstrap], 'brokers')
    equal(read.controller, read.brokers[0].nodeId, 'controller')
  })
}

module.exports = {
  'admin-topics': topics, 'admin-configs': configs, 'delete-records': deleteRecords,
  'admin-groups': adminGroups, 'admin-cluster': cluster,
}
