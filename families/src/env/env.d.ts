export interface Environment extends Capability<Environment, "read"> {
  get(name: string): string | undefined;
  has(name: string): boolean;
}
