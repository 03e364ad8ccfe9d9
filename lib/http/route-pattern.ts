/** A method and path in the way in which Express compares them. */
export function routeKey(method: string, path: string): string {
  return `${method.toUpperCase()} ${path.toLowerCase().replace(/(?<=.)\/+$/, '')}`;
}

/**
 * Whether a request would come to an *http in* node.
 *
 * @param method of the node; `get` answers HEAD too
 * @param url of the node, as Express takes it: `/jobs/:id`, `/jobs/:id(\\d+)`, `/jobs/:id?`, `/files/*`
 * @returns asks this of a {@link routeKey}
 */
export function routeMatcher(method: string, url: string): (route: string) => boolean {
  const methods = method.toLowerCase() === 'get' ? ['GET', 'HEAD'] : [method.toUpperCase()];
  const path = url.startsWith('/') ? url : `/${url}`;
  const pattern = pathPattern(path.replace(/(?<=.)\/+$/, ''));
  return (route) => {
    const blank = route.indexOf(' ');
    return methods.includes(route.slice(0, blank)) && pattern.test(route.slice(blank + 1));
  };
}

function pathPattern(path: string): RegExp {
  const source = path.replace(
    /(\/?):\w+(\((?:\\.|[^()\\])+\))?([?*+]?)|\*\w*|[.\\^$|[\]{}]/g,
    (found, slash?: string, group?: string, repeat?: string) => {
      if (found.startsWith('*')) return '.*';
      if (slash === undefined) return `\\${found}`;
      const value = repeat === '*' || repeat === '+' ? '.+' : (group ?? '[^/]+');
      return repeat === '?' || repeat === '*' ? `(?:${slash}${value})?` : `${slash}${value}`;
    },
  );
  try {
    return new RegExp(`^${source}$`, 'i');
  } catch {
    // Express takes no such path either, so nothing comes to this node.
    return /^(?!)/;
  }
}
