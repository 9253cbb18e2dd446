import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { type CallExpression, type MemberExpression, type Node, parseSync, Visitor } from 'oxc-parser';

/** What the architecture test knows of one TypeScript file. Paths are relative to the repository, with slashes. */
export type SourceFile = {
  readonly path: string;
  readonly lines: number;
  readonly imports: readonly Import[];
  readonly functions: readonly FunctionSpan[];
  /** Global names, `process.env`-like members and banned constructs, each where it stands. */
  readonly uses: readonly Use[];
};

export type Import = {
  readonly line: number;
  readonly specifier: string;
  /** The file a relative specifier names; absent for packages and built-in modules. */
  readonly target?: string;
  /** Erased when compiled. */
  readonly typeOnly: boolean;
  /** `export … from`. */
  readonly reExport: boolean;
};

export type FunctionSpan = {
  readonly line: number;
  /** Its own: those of the functions inside it are theirs, so that a factory is not as long as all it makes. */
  readonly lines: number;
  /** It calls `it` or `describe`: a list of tests, whose length says nothing. */
  readonly listsTests: boolean;
};
export type Use = { readonly line: number; readonly name: string };

const repository = path.resolve(import.meta.dirname, '../..');

/** Every `.ts` file under the given folders of the repository; a folder that does not exist yet holds none. */
export function readSourceFiles(folders: readonly string[]): SourceFile[] {
  const present = folders.filter((folder) => existsSync(path.join(repository, folder)));
  return present.flatMap(listTypeScript).map((file) => {
    return parseSourceFile(file, readFileSync(path.join(repository, file), 'utf8'));
  });
}

/** @throws Error when the text does not parse, so that no file is judged by half. */
export function parseSourceFile(file: string, text: string): SourceFile {
  const { program, module, errors } = parseSync(file, text, { sourceType: 'module' });
  if (errors[0]) throw new Error(`${file}: ${errors[0].message}`);
  const lineAt = lineCounter(text);
  const imports: Import[] = [];
  const note = (start: number, specifier: string, typeOnly: boolean, reExport = false): void => {
    const relative = /^\.\.?\//.test(specifier);
    const target = relative
      ? path.posix.normalize(path.posix.join(path.posix.dirname(file), specifier))
      : undefined;
    imports.push({
      line: lineAt(start),
      specifier,
      typeOnly,
      reExport,
      ...(target !== undefined && { target }),
    });
  };
  for (const { start, moduleRequest, entries } of module.staticImports) {
    note(start, moduleRequest.value, entries.length > 0 && entries.every((entry) => entry.isType));
  }
  for (const { start, entries } of module.staticExports) {
    const [first] = entries;
    if (first?.moduleRequest) {
      note(
        start,
        first.moduleRequest.value,
        entries.every((entry) => entry.isType),
        true,
      );
    }
  }
  const { functions, uses, dynamicImports } = walk(program, lineAt);
  for (const { start, specifier, typeOnly } of dynamicImports) note(start, specifier, typeOnly);
  return {
    path: file,
    lines: text.split('\n').length - (text.endsWith('\n') ? 1 : 0),
    imports,
    functions,
    uses,
  };
}

type DynamicImport = { start: number; specifier: string; typeOnly: boolean };

function walk(program: Parameters<Visitor['visit']>[0], lineAt: (offset: number) => number) {
  const functions: FunctionSpan[] = [];
  const uses: Use[] = [];
  const dynamicImports: DynamicImport[] = [];
  const enclosing: { listsTests: boolean; innerLines: number }[] = [];
  const notNames = new Set<number>();
  const enter = (): void => void enclosing.push({ listsTests: false, innerLines: 0 });
  const leave = ({ start, end }: Node): void => {
    const line = lineAt(start);
    const span = lineAt(end) - line + 1;
    const own = enclosing.pop() ?? { listsTests: false, innerLines: 0 };
    functions.push({ line, lines: span - own.innerLines, listsTests: own.listsTests });
    const outer = enclosing.at(-1);
    // Its first line stands in the outer function, too.
    if (outer) outer.innerLines += span - 1;
  };
  const use = (node: Node, name: string): void => {
    uses.push({ line: lineAt(node.start), name });
  };
  new Visitor({
    FunctionDeclaration: enter,
    FunctionExpression: enter,
    ArrowFunctionExpression: enter,
    'FunctionDeclaration:exit': leave,
    'FunctionExpression:exit': leave,
    'ArrowFunctionExpression:exit': leave,
    CallExpression(node) {
      const innermost = enclosing.at(-1);
      if (innermost && declaresTests(node)) innermost.listsTests = true;
    },
    NewExpression(node) {
      if (node.callee.type === 'Identifier' && node.arguments.length === 0)
        use(node, `new ${node.callee.name}()`);
    },
    MemberExpression(node) {
      const name = memberName(node);
      if (name !== undefined) use(node, name);
      if (!node.computed) notNames.add(node.property.start);
    },
    Property(node) {
      if (!node.computed && !node.shorthand) notNames.add(node.key.start);
    },
    MethodDefinition: (node) => void notNames.add(node.key.start),
    PropertyDefinition: (node) => void notNames.add(node.key.start),
    TSPropertySignature: (node) => void notNames.add(node.key.start),
    TSMethodSignature: (node) => void notNames.add(node.key.start),
    Identifier(node) {
      if (!notNames.has(node.start)) use(node, node.name);
    },
    ImportExpression(node) {
      const specifier = node.source.type === 'Literal' ? String(node.source.value) : '(computed)';
      dynamicImports.push({ start: node.start, specifier, typeOnly: false });
    },
    TSImportType(node) {
      dynamicImports.push({ start: node.start, specifier: node.source.value, typeOnly: true });
    },
    ExportDefaultDeclaration: (node) => use(node, 'export default'),
    TSEnumDeclaration: (node) => use(node, 'enum'),
    TSModuleDeclaration(node) {
      if (node.kind === 'namespace') use(node, 'namespace');
    },
  }).visit(program);
  return { functions, uses, dynamicImports };
}

/** `it(…)`, `describe.skipIf(…)(…)` and their like. */
function declaresTests({ callee }: CallExpression): boolean {
  if (callee.type === 'CallExpression') return declaresTests(callee);
  const name = callee.type === 'MemberExpression' ? memberName(callee) : identifierName(callee);
  return name !== undefined && /^(describe|it|test)(\.|$)/.test(name);
}

function identifierName(node: Node): string | undefined {
  return node.type === 'Identifier' ? node.name : undefined;
}

function memberName(node: MemberExpression): string | undefined {
  if (node.object.type !== 'Identifier') return undefined;
  if (!node.computed && node.property.type === 'Identifier')
    return `${node.object.name}.${node.property.name}`;
  return node.property.type === 'Literal' ? `${node.object.name}.${String(node.property.value)}` : undefined;
}

function lineCounter(text: string): (offset: number) => number {
  const starts = [0];
  for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) starts.push(at + 1);
  return (offset) => {
    let low = 0;
    let high = starts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((starts[middle] ?? 0) <= offset) low = middle;
      else high = middle - 1;
    }
    return low + 1;
  };
}

function listTypeScript(folder: string): string[] {
  const entries = readdirSync(path.join(repository, folder), { withFileTypes: true });
  return entries.flatMap((entry) => {
    const below = path.posix.join(folder, entry.name);
    if (entry.isDirectory())
      return entry.name.startsWith('.') || entry.name === 'node_modules' ? [] : listTypeScript(below);
    return entry.name.endsWith('.ts') ? [below] : [];
  });
}
