package caddymodule

import (
	"reflect"
	"slices"
	"strings"
)

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
