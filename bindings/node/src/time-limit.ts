/**
 * The result of work, or an error where it takes too long; the work itself goes on unheard.
 *
 * @param limit - In seconds.
 * @param who - Whom the error blames.
 */
export async function within<T>(limit: number, who: string, work: () => Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${who} did not answer within ${limit} s`)), limit * 1000);
  });
  try {
    return await Promise.race([work(), late]);
  } finally {
    clearTimeout(timer);
  }
}
