package main

import (
	"context"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// What a cluster has, and changes made behind the operator's back.

func brief() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), 60*time.Second)
}

// describe tells each topic and each config of a broker, one a line.
func describe(bootstrap string) {
	ctx, cancel := brief()
	defer cancel()
	admin, done := connectAdmin(bootstrap)
	defer done()
	topics := must(admin.ListTopics(ctx))
	configs := map[string]string{}
	for _, found := range must(admin.DescribeTopicConfigs(ctx, topics.Names()...)) {
		mustNot(found.Err)
		configs[found.Name] = strings.Join(setOn(found, kmsg.ConfigSourceDynamicTopicConfig), ",")
	}
	for _, topic := range topics.Sorted() {
		mustNot(topic.Err)
		say("topic %s %s %d %s", topic.Topic, topic.ID, len(topic.Partitions), configs[topic.Topic])
	}
	id := must(admin.BrokerMetadata(ctx)).Brokers[0].NodeID
	for _, broker := range must(admin.DescribeBrokerConfigs(ctx, id)) {
		mustNot(broker.Err)
		for _, config := range broker.Configs {
			say("broker %s=%s", config.Key, config.MaybeValue())
		}
	}
}

// setOn gives the configs from one source as sorted KEY=VALUE.
func setOn(resource kadm.ResourceConfig, source kmsg.ConfigSource) []string {
	var all []string
	for _, config := range resource.Configs {
		if config.Source == source {
			all = append(all, config.Key+"="+config.MaybeValue())
		}
	}
	sort.Strings(all)
	return all
}

func createTopic(bootstrap, topic, partitions string) {
	ctx, cancel := brief()
	defer cancel()
	admin, done := connectAdmin(bootstrap)
	defer done()
	count := int32(must(strconv.Atoi(partitions)))
	must(admin.CreateTopic(ctx, count, -1, nil, topic))
	say("created")
}

// set changes one config, KEY=VALUE, of a topic, or of all brokers if the topic is `-`.
func setConfig(bootstrap, topic, config string) {
	ctx, cancel := brief()
	defer cancel()
	admin, done := connectAdmin(bootstrap)
	defer done()
	key, value, _ := strings.Cut(config, "=")
	change := []kadm.AlterConfig{{Op: kadm.SetConfig, Name: key, Value: &value}}
	if topic == "-" {
		for _, outcome := range must(admin.AlterBrokerConfigs(ctx, change)) {
			mustNot(outcome.Err)
		}
	} else {
		for _, outcome := range must(admin.AlterTopicConfigs(ctx, change, topic)) {
			mustNot(outcome.Err)
		}
	}
	say("set")
}
