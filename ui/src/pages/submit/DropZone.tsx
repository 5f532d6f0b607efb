import { Button, Group, Loader, Stack, Text } from '@mantine/core';
import { IconFile, IconFolder, IconPhotoUp } from '@tabler/icons-react';
import { useEffect, useRef, useState } from 'react';
import { useTranslation } from 'react-i18next';
import classes from '@/pages/submit/DropZone.module.css';
import type { Picked } from '@/upload/model';
import { foundIn, foundInDrop, picked } from '@/upload/pick';

interface DropZoneProps {
  onPicked: (picks: Picked[]) => void;
  onUnread: (error: unknown) => void;
}

type Found = ReturnType<typeof foundIn>;

/** Files, folders and zips by dropping them anywhere on the page, or by choosing them. */
export function DropZone({ onPicked, onUnread }: DropZoneProps) {
  const { t } = useTranslation('submit');
  const [reading, setReading] = useState(false);
  const files = useRef<HTMLInputElement>(null);
  const folder = useRef<HTMLInputElement>(null);
  const read = async (found: Found | Promise<Found>) => {
    setReading(true);
    try {
      onPicked(await picked(await found));
    } catch (error) {
      onUnread(error);
    } finally {
      setReading(false);
    }
  };
  const over = useFilesOver((transfer) => void read(foundInDrop(transfer)));
  const choose = (input: HTMLInputElement) => {
    if (input.files?.length) void read(foundIn(input.files));
    input.value = '';
  };
  return (
    <div className={classes.zone} data-over={over || undefined} data-testid="drop-zone">
      <Stack align="center" gap="sm">
        {reading ? (
          <Loader size={48} aria-label={t('zone.reading')} />
        ) : (
          <IconPhotoUp size={48} stroke={1.3} aria-hidden />
        )}
        <Text fw={600} size="lg" ta="center">
          {over ? t('zone.let_go') : t('zone.drop')}
        </Text>
        <Text size="sm" c="dimmed" ta="center">
          {t('zone.kinds')}
        </Text>
        <Group justify="center">
          <Button leftSection={<IconFile size={18} aria-hidden />} onClick={() => files.current?.click()}>
            {t('zone.files')}
          </Button>
          <Button
            variant="default"
            leftSection={<IconFolder size={18} aria-hidden />}
            onClick={() => folder.current?.click()}
          >
            {t('zone.folder')}
          </Button>
        </Group>
      </Stack>
      <input ref={files} type="file" multiple hidden data-testid="files" onChange={(event) => choose(event.target)} />
      <input
        ref={(input) => {
          folder.current = input;
          // Not among React's attributes.
          if (input) input.webkitdirectory = true;
        }}
        type="file"
        multiple
        hidden
        data-testid="folder"
        onChange={(event) => choose(event.target)}
      />
    </div>
  );
}

/** Whether files are being dragged over the page; a drop anywhere on it counts, and never leaves the page. */
function useFilesOver(onDrop: (transfer: DataTransfer) => void): boolean {
  const [over, setOver] = useState(false);
  const taken = useRef(onDrop);
  taken.current = onDrop;
  useEffect(() => {
    const hasFiles = (event: DragEvent) => event.dataTransfer?.types.includes('Files') ?? false;
    const drag = (event: DragEvent) => {
      if (!hasFiles(event)) return;
      event.preventDefault();
      setOver(true);
    };
    const leave = (event: DragEvent) => {
      if (event.relatedTarget === null) setOver(false);
    };
    const drop = (event: DragEvent) => {
      if (!hasFiles(event) || event.dataTransfer === null) return;
      event.preventDefault();
      setOver(false);
      taken.current(event.dataTransfer);
    };
    window.addEventListener('dragover', drag);
    window.addEventListener('dragleave', leave);
    window.addEventListener('drop', drop);
    return () => {
      window.removeEventListener('dragover', drag);
      window.removeEventListener('dragleave', leave);
      window.removeEventListener('drop', drop);
    };
  }, []);
  return over;
}
