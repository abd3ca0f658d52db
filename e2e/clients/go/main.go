// Command client drives franz-go: `suite BOOTSTRAP FEATURE...` checks features one by one, `member`
// and `feed` do what the Rust tests tell them line by line (see clients/python/roles.py), `describe`,
// `create` and `set` look at and change what an administrator sees, `rest` does nothing until it is
// told to end: a pod in which the others can be started.
package main

import (
	"os"
	"os/signal"
	"strings"
	"syscall"
)

func main() {
	words := os.Args[1:]
	switch words[0] {
	case "suite":
		features := map[string]feature{
			"keys": keys, "headers": headers, "sizes": sizes, "too-large": tooLarge,
			"timestamps": timestamps, "acks": acks, "idempotence": idempotence,
			"auto-create": autoCreate, "seek-time": seekTime, "seek-offsets": seekOffsets,
			"reads-others": readsOthers, "admin-topics": adminTopics,
			"admin-configs": adminConfigs, "delete-records": deleteRecords,
			"admin-groups": adminGroups, "admin-cluster": adminCluster, "admin-more": adminMore,
		}
		for _, name := range codecNames {
			features["codec-"+name] = codec(name)
		}
		runFeatures(words[1], words[2:], features)
	case "member":
		member(words[1], words[2], words[3], optionsOf(words[4:]))
	case "feed":
		feed(words[1], words[2], optionsOf(words[3:]))
	case "describe":
		describe(words[1])
	case "create":
		createTopic(words[1], words[2], words[3])
	case "set":
		setConfig(words[1], words[2], words[3])
	case "rest":
		end := make(chan os.Signal, 1)
		signal.Notify(end, syscall.SIGTERM, os.Interrupt)
		<-end
	default:
		panic("no such verb: " + words[0])
	}
}

func optionsOf(words []string) map[string]string {
	options := map[string]string{}
	for _, word := range words {
		key, value, _ := strings.Cut(word, "=")
		options[key] = value
	}
	return options
}
