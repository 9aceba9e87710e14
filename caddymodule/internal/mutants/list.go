//go:build unix

package main

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
)

// equivalents holds the reason for each fault that changes nothing a test could see.
type equivalents map[string]string

// readList reads lines of room, function, fault and reason with tabs between them. A
// fault has no line number, so that the list outlives changes of the code around it.
func readList(name string) (equivalents, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	list := make(equivalents)
	for i, line := range strings.Split(string(text), "\n") {
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		fields := strings.Split(line, "\t")
		if len(fields) != 4 || fields[3] == "" {
			return nil, fmt.Errorf("%s:%d: not a room, a function, a fault and a reason", name, i+1)
		}
		key := strings.Join(fields[:3], "\t")
		if _, twice := list[key]; twice {
			return nil, fmt.Errorf("%s:%d: for the second time", name, i+1)
		}
		list[key] = fields[3]
	}
	return list, nil
}

// stale returns the keys for a room that belong to none of its faults.
func (list equivalents) stale(r *room) []string {
	var stale []string
	for _, key := range slices.Sorted(maps.Keys(list)) {
		matches := func(f *fault) bool { return f.key() == key }
		if strings.HasPrefix(key, r.name+"\t") && !slices.ContainsFunc(r.faults, matches) {
			stale = append(stale, key)
		}
	}
	return stale
}
