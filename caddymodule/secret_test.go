package caddymodule

const doctorSecret = "Lq3vQ9xZ_t1RrC8mWb0yJ5nKpE7uDgAiSoHfV2XwTzM"
