// AppAuth is made for bundlers: its modules name each other without .js.
export async function resolve(specifier, context, next) {
  try {
    return await next(specifier, context);
  } catch (error) {
    if (!specifier.startsWith(".")) throw error;
    return next(specifier + ".js", context);
  }
}
