package caddymodule

import (
	"reflect"
	"slices"
	"strings"
)

// similar returns the subdirective of a block that a misspelled word is nearest
// to, "" if it is near none.
func similar(block, word string) (nearest string) {
	best := 3 // more than two letters wrong are another word
	for _, name := range subdirectivesOf(block) {
		if d := editDistance(name, word); d < best {
			nearest, best = name, d
		}
	}
	return nearest
}

// subdirectivesOf lists what a block of the directive takes: the Caddyfile and
// JSON have the same names.
func subdirectivesOf(block string) (names []string) {
	fields := slices.Collect(reflect.TypeFor[Handler]().Fields())
	if block != directive {
		i := slices.IndexFunc(fields, func(f reflect.StructField) bool {
			return jsonKey(f) == block && f.Type.Kind() == reflect.Pointer && f.Type.Elem().Kind() == reflect.Struct
		})
		if i < 0 {
			return nil
		}
		fields = slices.Collect(fields[i].Type.Elem().Fields())
	}
	for _, field := range fields {
		// A matcher, and the word `off`.
		if key := jsonKey(field); key != "" && key != "protect" && key != "disabled" {
			names = append(names, key)
		}
	}
	return names
}

func jsonKey(field reflect.StructField) string {
	key, _, _ := strings.Cut(field.Tag.Get("json"), ",")
	return key
}

// editDistance is how many bytes have to be inserted, removed or replaced
// (https://en.wikipedia.org/wiki/Levenshtein_distance).
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(row[j+1]+1, row[j]+1, diagonal+cost)
		}
	}
	return row[len(b)]
}
